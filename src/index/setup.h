/* setup: may this index.db be used? It is made where it is missing, migrated, set aside or refused. */
#ifndef CURLEW_INDEX_SETUP_H
#define CURLEW_INDEX_SETUP_H

#include "base/buf.h"

#include <stdbool.h>

/* Makes $dir/index.db where it is missing, sets a damaged one aside, migrates an older one, and refuses a foreign or
 * newer one without changing it. One process at a time may call it (file_lock_setup_begin). alone: no other process
 * uses the cache. mode: as in store_config. 0, or with why: INDEX_REFUSED, where somebody must decide what becomes of
 * the index that is there; INDEX_UNREACHABLE, where the disk or the permissions forbid any. */
enum { INDEX_REFUSED = -1, INDEX_UNREACHABLE = -2 };
int index_setup(const char *dir, const char *mode, bool alone, struct buf *why);

#endif
