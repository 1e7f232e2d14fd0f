/*
 * gone: URLs that are gone before their rows are. An invalidation must hold from the moment it is said, and the writer
 * may have to wait for somebody's long transaction; so the URL stands here until its rows are deleted. All functions
 * from any thread.
 */
#ifndef CURLEW_STORE_TOMBSTONES_H
#define CURLEW_STORE_TOMBSTONES_H

#include "index/writer.h"

#include <stdbool.h>

struct tombstones;

/* NULL: no memory. The writer stays the caller's and must outlive it. */
struct tombstones *tombstones_new(struct writer *);
/* After writer_stop(): says of each URL that is left, with the cache's name, that its rows are still there. NULL is
 * fine. */
void tombstones_free(struct tombstones *, const char *dir);
/* Lists the URL with all its spellings, calls listed(ctx), and has the writer delete their rows. */
void tombstones_add(struct tombstones *, const char *url, void (*listed)(void *ctx), void *ctx);
/* Is this spelling or any other of the URL listed? */
bool tombstones_has(struct tombstones *, const char *url);
/* Queues again what could not be committed. */
void tombstones_retry(struct tombstones *);

#endif
