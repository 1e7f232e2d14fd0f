/*
 * listing: prints the rows of a query: aligned on a terminal; in a pipe as one line for each row, with tabs between the
 * values; or as JSON.
 *
 * Rows are printed as they arrive, and none is kept. For people, a value is formatted by the kind of its column.
 * Programs get the value that the index holds. No control character is written to a terminal, and no tab or newline
 * inside a value to a pipe.
 */
#ifndef CURLEW_VERBS_LISTING_H
#define CURLEW_VERBS_LISTING_H

#include "index/column.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdio.h>

enum listing_kind {
	LISTING_TEXT,
	LISTING_NUMBER,
	LISTING_BYTES, /* 1.2 GiB */
	LISTING_SPAN,  /* seconds: 3 days */
	LISTING_TIME,  /* Unix seconds: 2026-11-23 11:35:00, local time */
	LISTING_FLAG,  /* 0 or 1: no, yes */
	LISTING_STATE, /* fresh, or a kind of stale */
	LISTING_TITLE  /* the name of a column or of a value */
};

enum listing_style { LISTING_PEOPLE, LISTING_PLAIN, LISTING_JSON };

struct listing_column {
	const char *title; /* for people */
	enum listing_kind kind;
	int width; /* for people; the last column has none */
};

struct listing {
	FILE *out;
	enum listing_style style;
	const struct listing_column *columns;
	size_t column_count;
	long rows;
};

/* LISTING_JSON for --json; otherwise PEOPLE on a terminal and PLAIN elsewhere. */
enum listing_style listing_style_for(bool json);

void listing_begin(struct listing *, FILE *out, enum listing_style, const struct listing_column *, size_t column_count);
/* A callback for index_query(), whose ctx is the listing. Returns 0. */
int listing_row(void *listing, const struct index_column *, size_t count);
/* Ends the JSON array. Returns the number of rows. */
long listing_end(struct listing *);

/* Appends one value, formatted for people. text: NULL becomes "-". */
void listing_format(struct buf *out, enum listing_kind, const char *text);
/* One value as JSON. */
void listing_json(FILE *out, const struct index_column *);
/* One row as a JSON object. */
void listing_json_object(FILE *out, const struct index_column *, size_t count);
/* Prints a value that listing_format() made, without control characters. Titles and states have a colour, unless
 * NO_COLOR is set or the terminal is dumb. */
void listing_put(FILE *out, enum listing_kind, const char *text);
/* Prints the name of a value, padded to `width` columns. */
void listing_put_name(FILE *out, const char *name, int width);
/* Prints n bytes of text without control characters. */
void listing_clean(FILE *out, const char *text, size_t n);

#endif
