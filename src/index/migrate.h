/* migrate: upgrades an index of an older version. */
#ifndef CURLEW_INDEX_MIGRATE_H
#define CURLEW_INDEX_MIGRATE_H

#include "base/buf.h"

/* Migrates the index from version `from` to INDEX_VERSION, in one transaction. No other process may use it. 0, or -1
 * with why, and the index is unchanged. */
int index_migrate(const char *dir, int from, struct buf *why);

#endif
