#include "index/part_row.h"

#include "index/body_name.h"

#include <stdlib.h>

static void read_row(struct index_part_row *row, struct index_row *r)
{
	struct entry *e = row->of;
	row->part.id = index_row_id(r);
	e->url = index_row_text(r, "url is not text");
	e->vary = index_row_text(r, "vary is not text");
	index_row_number(r, "status is not 200 or 206", 200, 206);
	e->status = 200; /* what the whole would be */
	e->headers = index_row_text(r, "headers is not text");
	e->etag = index_row_text_or_null(r, "etag is not text");
	e->last_modified = index_row_text_or_null(r, "last_modified is not text");
	e->fetched_at = index_row_number(r, "fetched_at is not a possible time", 0, ROW_TIME_MAX);
	e->initial_age_s = index_row_number(r, "initial_age_s is not a possible age", 0, ROW_TIME_MAX);
	e->fresh_until = index_row_time(r, "fresh_until is not a number");
	e->used_at = index_row_time(r, "used_at is not a number");
	row->part.first_byte = index_row_number(r, "first_byte is not a possible place", 0, ROW_BYTES_MAX);
	row->whole_bytes = index_row_number_or(r, "whole_bytes is not a possible size", 0, ROW_BYTES_MAX, -1);
	row->part.body_bytes = index_row_number(r, "body_bytes is not a possible size", 1, ROW_BYTES_MAX);
	row->part.body_file = index_row_text(r, "body_file is not text");
	row->part.has_sha256 = index_row_sha256(r, "sha256 is not 32 bytes", row->part.sha256);
}

static const char *fault_of(const struct index_part_row *row)
{
	if (row->whole_bytes >= 0 && row->part.first_byte + row->part.body_bytes > row->whole_bytes)
		return "it does not lie within its whole";
	if (body_number(row->part.body_file) < 0)
		return "body_file does not name a body";
	return entry_fault(row->of);
}

void index_part_row_free(struct index_part_row *row)
{
	entry_free(row->of);
	free(row->part.body_file);
	*row = (struct index_part_row){0};
}

enum index_row_is index_part_row(const struct index *ix, sqlite3_stmt *st, struct index_part_row *row)
{
	struct index_row r = index_row_begin(st);
	*row = (struct index_part_row){.of = calloc(1, sizeof *row->of)};
	r.no_memory = row->of == NULL;
	if (row->of != NULL)
		read_row(row, &r);
	if (!r.no_memory && r.wrong == NULL)
		r.wrong = fault_of(row);
	enum index_row_is is = index_row_end(&r, ix, "part", sqlite3_column_int64(st, 0));
	if (is != ROW_GOOD)
		index_part_row_free(row);
	return is;
}
