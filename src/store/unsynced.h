/*
 * suspect: which bodies may be torn by a power cut (invariant 7)? Those whose names stand, above its synced mark, in a
 * lease of an earlier boot. Any thread may call.
 */
#ifndef CURLEW_STORE_UNSYNCED_H
#define CURLEW_STORE_UNSYNCED_H

#include <stdbool.h>
#include <stdint.h>

struct unsynced;

struct unsynced *unsynced_new(void);
void unsynced_free(struct unsynced *);

/* Names from first up to behind are suspect from now on. 0, or -1: no memory. */
int unsynced_add(struct unsynced *, int64_t lease_id, int64_t first, int64_t behind);
/* All of that lease has been looked into. */
void unsynced_remove(struct unsynced *, int64_t lease_id);

bool unsynced_has(struct unsynced *, int64_t name);
/* This one was verified and is suspect no more. */
void unsynced_clear(struct unsynced *, int64_t name);

#endif
