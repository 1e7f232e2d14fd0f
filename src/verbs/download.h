/*
 * download: the output of `curlew get`: standard output, or the file of --output. A file is replaced only when its new
 * content is complete. So a request that has no body, fails or is interrupted leaves it as it was. Some files cannot be
 * replaced and are written in place, from the first byte on: a device or FIFO, a file with several names, a file in a
 * directory without write permission.
 *
 * One download at a time in a process, because a signal handler must know which file to remove. One thread.
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
/* Appends n bytes. Even n = 0 means that there is content, perhaps empty. 0, or -1 with errno. */
int download_write(struct download *, const char *bytes, size_t n);
/* The content is complete: it replaces the file, if there is content. 0, or -1 with errno. */
int download_commit(struct download *);
/* Frees everything, and removes content that was not committed. */
void download_fini(struct download *);

#endif
