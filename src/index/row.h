/*
 * row: one row of the index, read column by column. Nothing in it is trusted.
 *
 * SQLite checks types and CHECK constraints when a row is written, but not when it is read. A damaged page, a file from
 * another program or PRAGMA ignore_check_constraints may leave any value in any column. So each column is read by a
 * function that states what the value must be. `wrong` keeps the first violation; the rest of the row is still read,
 * but the row is not used.
 */
#ifndef CURLEW_INDEX_ROW_H
#define CURLEW_INDEX_ROW_H

#include "index/connection.h"

/* The end of the year 9999. No response was fetched later. */
#define ROW_TIME_MAX INT64_C(253402300799)
/* More than any file system holds, and far from any overflow. */
#define ROW_BYTES_MAX (INT64_C(1) << 53)

struct index_row {
	sqlite3_stmt *st;
	int next;          /* the next column */
	const char *wrong; /* a literal: what is wrong with the row; NULL: nothing so far */
	bool no_memory;
};

enum index_row_is {
	ROW_GOOD,
	ROW_INVALID,  /* not to be used; index_row_end() has counted and logged it */
	ROW_NO_MEMORY /* the same */
};

/* Begins at column 0 of the row on which the statement stands. */
struct index_row index_row_begin(sqlite3_stmt *);
/* Ends the row. table and id name it in the log. */
enum index_row_is index_row_end(struct index_row *, const struct index *, const char *table, int64_t id);

/* Each of these functions reads the next column. wrong: a literal, for the log. */

int64_t index_row_id(struct index_row *);
/* An integer from least to most. */
int64_t index_row_number(struct index_row *, const char *wrong, int64_t least, int64_t most);
/* The same; NULL is `none`. */
int64_t index_row_number_or(struct index_row *, const char *wrong, int64_t least, int64_t most, int64_t none);
/* A time up to which something holds. Anybody may write any integer there, so it is limited to +-2^60, and sums cannot
 * overflow. */
int64_t index_row_time(struct index_row *, const char *wrong);
/* Text without a NUL in it. The caller frees it. */
char *index_row_text(struct index_row *, const char *wrong);
/* The same; NULL for NULL. */
char *index_row_text_or_null(struct index_row *, const char *wrong);
/* True with 32 bytes; false for NULL. */
bool index_row_sha256(struct index_row *, const char *wrong, unsigned char sha256[32]);
/* Milliseconds; -1 where the value cannot be a duration. Nothing depends on it, so it never makes a row invalid. */
double index_row_ms(struct index_row *);

/* Column c of any row as a size or a count, limited to 0..ROW_BYTES_MAX. For sums that only decide the order of
 * eviction. */
int64_t index_size(sqlite3_stmt *, int c);
/* Copies the text of column c into a field of fixed size; "" when it does not fit or is not text. */
void index_copy_text(char *to, size_t room, sqlite3_stmt *, int c);

#endif
