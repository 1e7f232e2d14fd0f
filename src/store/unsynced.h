/*
 * suspect: which bodies may be torn by a power cut (invariant 7)? Those whose names stand, above its synced mark, in a lease of an
 * earlier boot. Any thread may call.
 */
#ifndef CURLEW_STORE_UNSYNCED_H
#define CURLEW_STORE_UNSYNCED_H

#include "index/index.h"

struct suspects;

struct suspects *suspects_new(void);
void suspects_free(struct suspects *);

/* Names from first up to behind are suspect from now on. 0, or -1: no memory. */
int suspects_add(struct suspects *, int64_t lease_id, int64_t first, int64_t behind);
/* All of that lease has been looked into. */
void suspects_remove(struct suspects *, int64_t lease_id);

bool suspects_has(struct suspects *, int64_t name);
/* This one was verified and is suspect no more. */
void suspects_clear(struct suspects *, int64_t name);

#endif
