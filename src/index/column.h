/*
 * column: one column of a row that a query returned. Any column may hold anything, because a user may have written it.
 *
 * The texts belong to the query and are valid until its row callback returns.
 */
#ifndef CURLEW_INDEX_COLUMN_H
#define CURLEW_INDEX_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

struct index_column {
	const char *name;
	const char *text; /* NULL for SQL NULL */
	bool is_number;   /* INTEGER or REAL */
};

/* The text; "" for NULL. */
const char *column_text(const struct index_column *);
/* The column as a size in bytes, at most 2^53; 0 where it is not a number or is negative. */
int64_t column_size(const struct index_column *);

#endif
