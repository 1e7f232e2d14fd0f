/* sync_bodies: syncs the disk and records which bodies are on it (invariant 7). Maintenance thread. */
#ifndef CURLEW_STORE_SYNC_BODIES_H
#define CURLEW_STORE_SYNC_BODIES_H

enum { SYNC_LEASES = 64 }; /* looked at in one call */

struct maintenance;

/* Waits for the disk. Does nothing when no body was sealed and no lease was closed since the last call. */
void sync_bodies(struct maintenance *);

#endif
