/*
 * table: rows of a question, written for people (on a terminal), for programs (in a pipe: one row a line, values parted
 * by tabs, never changing with the width of anything), or as JSON.
 *
 * Rows are written as they come, however many there are. What a column holds decides how it is written for people only:
 * programs and JSON get what the index holds. Control characters never reach a terminal, nor tabs and newlines a pipe.
 */
#ifndef CURLEW_VERBS_TABLES_H
#define CURLEW_VERBS_TABLES_H

#include "index/column.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdio.h>

enum table_kind {
	TABLE_TEXT,
	TABLE_NUMBER,
	TABLE_BYTES, /* 1.2 GiB */
	TABLE_SPAN,  /* seconds: 3 days */
	TABLE_TIME,  /* Unix seconds: 2026-11-23 11:35:00, local time */
	TABLE_FLAG,  /* 0 or 1: no, yes */
	TABLE_STATE, /* fresh, or some kind of stale */
	TABLE_TITLE  /* of a column or a value */
};

enum table_style { TABLE_PEOPLE, TABLE_PLAIN, TABLE_JSON };

struct table_column {
	const char *title; /* for people */
	enum table_kind kind;
	int width; /* for people; the last column has none */
};

struct table {
	FILE *out;
	enum table_style style;
	const struct table_column *columns;
	size_t column_count;
	long rows;
};

/* JSON when asked for, else by whether standard output is a terminal. */
enum table_style table_style_for(bool json);

void table_begin(struct table *, FILE *out, enum table_style, const struct table_column *, size_t column_count);
/* For index_query(), with the table as ctx. Always 0. */
int table_row(void *table, const struct index_column *, size_t count);
/* Writes what is still to be written; the number of rows. */
long table_end(struct table *);

/* One value as it reads best, and as JSON. */
void table_humane(struct buf *out, enum table_kind, const char *text);
void table_json(FILE *out, const struct index_column *);
/* One row as a JSON object. */
void table_json_object(FILE *out, const struct index_column *, size_t count);
/* A value for people, as table_humane() made it: without control characters, and coloured unless NO_COLOR or a dumb
 * terminal says no. */
void table_put(FILE *out, enum table_kind, const char *text);
/* The name of a value for people, before it, width columns wide. */
void table_put_name(FILE *out, const char *name, int width);
/* A text without control characters. */
void table_clean(FILE *out, const char *text, size_t n);

#endif
