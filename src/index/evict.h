/*
 * evict: which rows go when the cache is full. The thread of the writing connection calls, inside a transaction.
 */
#ifndef CURLEW_INDEX_EVICT_H
#define CURLEW_INDEX_EVICT_H

#include "index/entry.h"
#include "index/index.h"

/* The queue and the place in which a new row begins. 0 or -1. */
int index_queue(struct index *, const struct entry *, const char **queue, int64_t *place);
/* Deletes up to max_rows rows, in the order of eviction, while all bodies together exceed size_bytes or the entries
 * exceed max_entries (0: no such limit). Their number, or -1. *over: a limit is still exceeded. */
int index_evict(struct index *, int64_t size_bytes, int64_t max_entries, int max_rows, bool *over);

#endif
