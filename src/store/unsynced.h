/*
 * unsynced: the bodies that a power cut may have torn (invariant 7). Their names are in a lease of an earlier boot,
 * above its synced mark. Any thread may call.
 */
#ifndef CURLEW_STORE_UNSYNCED_H
#define CURLEW_STORE_UNSYNCED_H

#include <stdbool.h>
#include <stdint.h>

struct unsynced;

struct unsynced *unsynced_new(void);
void unsynced_free(struct unsynced *);

/* The names from first up to, but not including, end are unsynced from now on. 0, or -1: no memory. */
int unsynced_add(struct unsynced *, int64_t lease_id, int64_t first, int64_t end);
/* All names of that lease are resolved. */
void unsynced_remove(struct unsynced *, int64_t lease_id);

bool unsynced_has(struct unsynced *, int64_t name);
/* This body was verified. */
void unsynced_clear(struct unsynced *, int64_t name);

#endif
