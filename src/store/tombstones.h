/*
 * tombstones: invalidated URLs whose rows still exist. An invalidation must hold from the moment it is made, but the
 * writer may have to wait for another process's long transaction. So the URL is listed here until its rows are deleted.
 * Any thread may call.
 */
#ifndef CURLEW_STORE_TOMBSTONES_H
#define CURLEW_STORE_TOMBSTONES_H

#include "index/writer.h"

#include <stdbool.h>

struct tombstones;

/* NULL: no memory. The writer stays the caller's and must outlive it. */
struct tombstones *tombstones_new(struct writer *);
/* After writer_stop(). Logs each URL that is left, with the name of the cache: its rows still exist. NULL is fine. */
void tombstones_free(struct tombstones *, const char *dir);
/* Lists the URL with all its spellings, calls listed(ctx), and queues the deletion of their rows. */
void tombstones_add(struct tombstones *, const char *url, void (*listed)(void *ctx), void *ctx);
/* Is this URL listed, in any spelling? */
bool tombstones_has(struct tombstones *, const char *url);
/* Queues the deletions again that could not be committed. */
void tombstones_retry(struct tombstones *);

#endif
