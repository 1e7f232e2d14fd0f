/*
 * tombstones: invalidated URLs and groups whose rows still exist. An invalidation must hold from the moment it is made,
 * but the writer may have to wait for another process's long transaction. So the URL is listed here until its rows are
 * deleted. Any thread may call.
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
/* The same for the responses in these groups (http/groups.h) whose URL begins with `origin` ("http://host/"). */
void tombstones_add_groups(
    struct tombstones *, struct span origin, const char *groups, void (*listed)(void *ctx), void *ctx);
/* Is this URL listed, in any spelling? If not, adds the listed groups of its origin to `groups`: a row that is read
 * after this call and is in one of them (groups_fields_meet()) counts as deleted. */
bool tombstones_has(struct tombstones *, const char *url, struct buf *groups);
/* Queues the deletions again that could not be committed. */
void tombstones_retry(struct tombstones *);

#endif
