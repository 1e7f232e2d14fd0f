/* quota: keeps the cache within --size, --max-entries and --min-free. Any thread may call, unless stated otherwise. */
#ifndef CURLEW_STORE_QUOTA_H
#define CURLEW_STORE_QUOTA_H

#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

struct maintenance;

/* As store_reserve() and store_release(). */
const char *quota_reserve(struct maintenance *, int64_t bytes);
void quota_release(struct maintenance *, int64_t bytes);
/* Has the disk less free than --min-free demands? */
bool quota_short(const struct maintenance *);

/* Evicts a few rows before bytes are stored, if they would exceed the quota. So storing pays for itself, however fast
 * it is. It comes before storing, so that the new row is not among the candidates. Writer thread, inside a transaction.
 */
void quota_make_room(struct maintenance *, struct index *, int64_t bytes);
/* Bytes were stored: starts a round when the quota may be exceeded. */
void quota_stored(struct maintenance *, int64_t bytes);
/* Queues an eviction when a limit is exceeded. Maintenance thread. */
void quota_keep(struct maintenance *);

#endif
