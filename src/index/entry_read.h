/* entry_read: looks up rows of the table entry. The thread of the connection calls. */
#ifndef CURLEW_INDEX_ENTRY_READ_H
#define CURLEW_INDEX_ENTRY_READ_H

#include "index/index.h"
#include "index/rows.h"

/* All variants of a URL, in one snapshot. The caller frees the rows. An invalid row is left out. */
enum index_result index_find(struct index *, const char *url, struct index_rows *rows);
/* Is there a row with this id and this body_file? */
enum index_result index_still(struct index *, int64_t id, const char *body_file);
/* FOUND: the URL has exactly this one row, and every column that a response depends on is as in the entry. */
enum index_result index_confirm(struct index *, const struct entry *);

#endif
