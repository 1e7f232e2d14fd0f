/*
 * root: opens the files below --root that may be served, and no others.
 *
 * Only regular files below the directory can be opened, whatever symbolic links and dots a path contains. A name that
 * starts with a dot is refused (except ".well-known"), in the path of the request and in the real path of the file.
 * Nothing of the cache directory can be opened, whatever the path (a symbolic link, another mount, another spelling of
 * the name, a hard link to the index).
 *
 * Read-only once open; any thread may call root_open_file().
 */
#ifndef CURLEW_PROXY_ROOT_H
#define CURLEW_PROXY_ROOT_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/stat.h>

struct root {
	int fd;       /* the directory, -1 without --root */
	int cache_fd; /* the cache directory, which is never served */
};

/* Opens both directories. dir: --root, or NULL for none. 0, or -1 with a sentence in why: a directory cannot be opened,
 * or dir lies within the cache. root_close() is always allowed afterwards. */
int root_open(struct root *, const char *dir, const char *cache_dir, struct buf *why);
void root_close(struct root *);

/* Opens the file for a path (decoded, without a leading slash), or a directory's index.html, for reading. Returns its
 * descriptor, which is the caller's, with *st and *index (true: path is a directory) filled; or -1 when there is no
 * such file. */
int root_open_file(const struct root *, const char *path, struct stat *st, bool *index);

#endif
