/* query_rows: hands the rows of a statement to a callback. Only query.c and edit.c use it. */
#ifndef CURLEW_INDEX_QUERY_ROWS_H
#define CURLEW_INDEX_QUERY_ROWS_H

#include "index/column.h"

#include <sqlite3.h>
#include <stddef.h>

/* Steps through a statement and calls row() for each row, until row() returns another value than 0. SQLITE_DONE, or
 * SQLite's error. */
int index_give_rows(sqlite3_stmt *, int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx);

#endif
