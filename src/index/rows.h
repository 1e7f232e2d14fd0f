/*
 * rows: what a look-up in the index returns: a result, and all variants of one URL.
 *
 * The rows belong to the caller, who frees them. There are no locks.
 */
#ifndef CURLEW_INDEX_ROWS_H
#define CURLEW_INDEX_ROWS_H

#include "index/entry.h"

#include <stddef.h>

enum index_result {
	INDEX_FOUND,
	INDEX_ABSENT, /* there is no such row, which is not an error */
	INDEX_BROKEN  /* SQLite or memory failed; already counted and logged */
};

struct index_rows {
	struct entry **entries; /* the most recent response first: by its Date, then by fetched_at */
	size_t count;
};

/* Leaves the rows empty. */
void index_rows_free(struct index_rows *);
/* Copies all rows. 0, or -1: no memory, and `to` is empty. */
int index_rows_copy(const struct index_rows *from, struct index_rows *to);

#endif
