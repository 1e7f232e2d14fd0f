/*
 * download: where `curlew get` writes: standard output, or the file of --output. A file is replaced only when its new
 * content is complete, so a request that brings no body, fails, or is interrupted leaves it as it was. What is no
 * regular file (a device, a FIFO), has several names, or stands in a directory that may not be written is written in
 * place, from the first byte on.
 *
 * One at a time in a process: a signal that ends the process must know which file to remove. One thread.
 */
#ifndef CURLEW_VERBS_DOWNLOAD_H
#define CURLEW_VERBS_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct download {
	const char *path; /* NULL: standard output. The caller's */
	char *target;     /* the file that will be replaced: path without symbolic links; NULL: written in place */
	char *temporary;  /* the new content, in the directory of target */
	int fd;           /* -1: not opened yet */
};

/* path: of --output, or NULL or "-" for standard output. Nothing is opened. */
void download_init(struct download *, const char *path);
/* Appends n bytes, which may be none: from then on there is content. 0, or -1 with errno. */
int download_write(struct download *, const char *bytes, size_t n);
/* The content is complete: it takes the file's place, if there is any. 0, or -1 with errno. */
int download_commit(struct download *);
/* Frees all; what was not committed is removed. */
void download_fini(struct download *);

#endif
