/*
 * leases: the table lease: ranges of body names (body_name.h) that a process has taken. The thread of the connection
 * calls.
 */
#ifndef CURLEW_INDEX_LEASES_H
#define CURLEW_INDEX_LEASES_H

#include "index/index.h"

#include <stdint.h>

/* The names are the numbers from first up to, but not including, end (the column `behind`). Below `synced` all files
 * are on the disk. */
struct index_lease {
	int64_t id;
	int64_t owner; /* file_lock_owner() of the process; 0: it needs no sweep, and waits for a sync */
	int64_t first, synced, end;
	char boot[40]; /* the boot in which it was taken */
};
/* Up to max leases with ids above `after`, in order of id. Their number, or -1. */
int index_leases(struct index *, int64_t after, struct index_lease *, int max);
/* One more than the highest name ever leased from this index. -1: error. */
int64_t index_names(struct index *);

/* Inside a transaction, each 0 or -1: */

/* Gives the next count names to owner, from the number `least` on. */
int index_lease_take(
    struct index *, int64_t owner, const char *boot, int64_t count, int64_t least, struct index_lease *);
int index_lease_synced(struct index *, int64_t id, int64_t synced);
/* The lease ends: each of its names below `end` is owned by a row or has no file. It stays until the next sync. */
int index_lease_close(struct index *, int64_t id, int64_t end);
int index_lease_remove(struct index *, int64_t id);

#endif
