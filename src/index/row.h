/*
 * index_row: one row of the index, read column by column, and nothing in it trusted.
 *
 * SQLite checks types and CHECK constraints when a row is written, never when it is read. A damaged page, a file from
 * elsewhere or PRAGMA ignore_check_constraints may leave anything in any column. So every reader takes a column through
 * here and says what it must be. The first column that is not so is kept in `wrong`; from there on the row is read to
 * its end, and then not used.
 */
#ifndef CURLEW_INDEX_ROW_H
#define CURLEW_INDEX_ROW_H

#include "index/index_internal.h"

#define ROW_TIME_MAX                                                                                                   \
	INT64_C(253402300799)            /* the end of the year 9999: later is no time at which anything was fetched */
#define ROW_BYTES_MAX (INT64_C(1) << 53) /* more than any file system holds, and far from any overflow */

struct index_row {
	sqlite3_stmt *st;
	int next;          /* the next column */
	const char *wrong; /* a literal: what is wrong with the row; NULL: nothing so far */
	bool no_memory;
};

enum index_row_is {
	ROW_GOOD,
	ROW_INVALID,  /* it is not to be used: index_row_end() has counted and reported it */
	ROW_NO_MEMORY /* the same */
};

/* Reads the row that the statement stands on, from column 0. */
struct index_row index_row_begin(sqlite3_stmt *);
/* What the row is. table and id name it in the message. */
enum index_row_is index_row_end(struct index_row *, const struct index *, const char *table, int64_t id);
/* A rule that no single column knows is broken. */
void index_row_wrong(struct index_row *, const char *why);

/* Each of these takes the next column. name: a literal, for the message. */
int64_t index_row_id(struct index_row *);
/* An integer from least to most. */
int64_t index_row_number(struct index_row *, const char *wrong, int64_t least, int64_t most);
/* The same, or NULL, which is `none`. */
int64_t index_row_number_or(struct index_row *, const char *wrong, int64_t least, int64_t most, int64_t none);
/* Any integer, brought within what can be reckoned with (+-2^60): a moment up to which something holds, as anybody may
 * write it. */
int64_t index_row_time(struct index_row *, const char *wrong);
/* malloc()ed text without a NUL in it. */
char *index_row_text(struct index_row *, const char *wrong);
/* The same, or NULL for NULL. */
char *index_row_text_or_null(struct index_row *, const char *wrong);
/* True with 32 bytes; false for NULL. */
bool index_row_sha256(struct index_row *, const char *wrong, unsigned char sha256[32]);
/* Milliseconds; -1 where there is no number that could be one. It never makes a row invalid: nothing depends on it. */
double index_row_ms(struct index_row *);

/* Column c of any row as a size or a number of things, for sums that only decide what goes first: brought within 0 and
 * ROW_BYTES_MAX. */
int64_t index_size(sqlite3_stmt *, int c);

/* The entry of a row of FIND or ENTRIES_AFTER. NULL: *is says why. */
struct entry *index_entry(const struct index *, sqlite3_stmt *, enum index_row_is *is);

/* The row of PARTS or PARTS_AFTER. */
struct index_part_row {
	struct entry *of; /* what it is a part of */
	struct part part;
	int64_t whole_bytes; /* -1: not known */
};
enum index_row_is index_part_row(const struct index *, sqlite3_stmt *, struct index_part_row *);
void index_part_row_free(struct index_part_row *);

#endif
