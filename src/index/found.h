/* found: what the index answers with. store.h hands these types on to the rest of the program. */
#ifndef CURLEW_INDEX_FOUND_H
#define CURLEW_INDEX_FOUND_H

#include "index/entry.h"

#include <stdbool.h>
#include <stddef.h>

enum index_result {
	INDEX_FOUND,
	INDEX_ABSENT, /* "no row" is an answer */
	INDEX_BROKEN  /* the index could not be asked; already logged */
};

struct index_rows {
	struct entry **entries; /* most recent response first (by its Date, then fetched_at) */
	size_t count;
};
void index_rows_free(struct index_rows *);
/* 0, or -1: no memory, and to is empty. */
int index_rows_copy(const struct index_rows *from, struct index_rows *to);

struct index_column {
	const char *name;
	const char *text; /* NULL for SQL NULL */
	bool is_number;   /* INTEGER or REAL */
};
/* A column as text, "" for NULL, and as a size, which is 0 where it is none and never more than 2^53. Any column may
 * hold anything. */
const char *store_text(const struct index_column *);
int64_t store_size(const struct index_column *);

#endif
