/* backup: copies a cache directory to an empty one, which is then a cache of its own. For verbs. It starts no
 * thread. */
#ifndef CURLEW_STORE_BACKUP_H
#define CURLEW_STORE_BACKUP_H

#include "base/buf.h"

#include <stdint.h>

struct backup {
	void (*progress)(void *ctx, int64_t bodies); /* may be NULL */
	void *ctx;
	int64_t linked, copied, missing; /* bodies */
};

/* Copies the cache in `from`, which may be in use, to the directory `to`, which must be empty or missing. 0, or -1
 * with why. */
int backup_cache(struct backup *, const char *from, const char *to, struct buf *why);

#endif
