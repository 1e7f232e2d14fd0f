/* entry_row: reads one row of the table entry. Only the files of this folder see it. */
#ifndef CURLEW_INDEX_ENTRY_ROW_H
#define CURLEW_INDEX_ENTRY_ROW_H

#include "index/entry.h"
#include "index/row.h"

/* The row on which a statement FIND or ENTRIES_AFTER stands. The caller frees the entry. NULL: *is tells why. */
struct entry *index_entry(const struct index *, sqlite3_stmt *, enum index_row_is *is);

#endif
