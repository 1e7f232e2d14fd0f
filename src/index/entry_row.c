#include "index/entry_row.h"

#include <stdlib.h>

static void read_entry(struct entry *e, struct index_row *r)
{
	e->id = index_row_id(r);
	e->url = index_row_text(r, "url is not text");
	e->vary = index_row_text(r, "vary is not text");
	e->status = (int)index_row_number(r, "status is not a number from 200 to 599", 200, 599);
	e->headers = index_row_text(r, "headers is not text");
	e->etag = index_row_text_or_null(r, "etag is not text");
	e->last_modified = index_row_text_or_null(r, "last_modified is not text");
	e->body_file = index_row_text_or_null(r, "body_file is not text");
	e->body_bytes = index_row_number(r, "body_bytes is not a possible size", 0, ROW_BYTES_MAX);
	e->has_sha256 = index_row_sha256(r, "sha256 is not 32 bytes", e->sha256);
	e->fetched_at = index_row_number(r, "fetched_at is not a possible time", 0, ROW_TIME_MAX);
	e->initial_age_s = index_row_number(r, "initial_age_s is not a possible age", 0, ROW_TIME_MAX);
	e->fresh_until = index_row_time(r, "fresh_until is not a number");
	e->stale_until = index_row_time(r, "stale_until is not a number");
	e->used_at = index_row_time(r, "used_at is not a number");
	e->hits = index_row_number(r, "hits is not a number, 0 or more", 0, INT64_MAX);
	e->pinned = index_row_number(r, "pinned is not 0 or 1", 0, 1) != 0;
	e->tag = index_row_text_or_null(r, "tag is not text");
	e->note = index_row_text_or_null(r, "note is not text");
	e->rule_id = index_row_number_or(r, "rule_id is not a number", INT64_MIN, INT64_MAX, 0);
	e->reason = index_row_text_or_null(r, "reason is not text");
	e->dns_ms = index_row_ms(r);
	e->connect_ms = index_row_ms(r);
	e->ttfb_ms = index_row_ms(r);
	e->total_ms = index_row_ms(r);
	e->encoded_from = index_row_number_or(r, "encoded_from is not a number", 0, INT64_MAX, 0);
	e->edited = sqlite3_column_int(r->st, r->next++) != 0;
	e->edits = sqlite3_column_int64(r->st, r->next++);
}

struct entry *index_entry(const struct index *ix, sqlite3_stmt *st, enum index_row_is *is)
{
	struct index_row r = index_row_begin(st);
	struct entry *e = calloc(1, sizeof *e);
	r.no_memory = e == NULL;
	if (e != NULL)
		read_entry(e, &r);
	if (!r.no_memory && r.wrong == NULL)
		r.wrong = entry_fault(e);
	*is = index_row_end(&r, ix, "entry", sqlite3_column_int64(st, 0));
	if (*is == ROW_GOOD)
		return e;
	entry_free(e);
	return NULL;
}
