/* query: runs one SELECT for a verb, on a read-only connection of its own. It starts no thread. Any thread may call. */
#ifndef CURLEW_INDEX_QUERY_H
#define CURLEW_INDEX_QUERY_H

#include "base/buf.h"
#include "index/column.h"

#include <sqlite3.h>
#include <stddef.h>

/* Runs the SELECT with text parameters ?1... on the cache in dir and calls row() for each row, until row() returns
 * another value than 0. 0, or -1 with why ("no cache in DIR ..." when there is none). */
int index_query(const char *dir, const char *sql, const char *const *params, size_t param_count,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why);
/* Explains why index.db cannot be opened, by errno. */
void index_describe_absence(const char *dir, struct buf *why);

#endif
