/* purges: the table purge, which keeps fetches in progress from bringing a purged response back (invariant 8). */
#ifndef CURLEW_INDEX_PURGES_H
#define CURLEW_INDEX_PURGES_H

#include "index/entry.h"
#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

/* Was the response purged, by URL or by tag, after the purge `purge_id`? Yes, too, where the purges since then have
 * been deleted from the table or memory is short: such a response is not stored. Where SQLite fails, no. The thread of
 * the writing connection calls, inside a transaction. */
bool index_purged(struct index *, const struct entry *, int64_t purge_id);

#endif
