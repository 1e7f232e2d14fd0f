#include "index/body_rows.h"

#include "index/entry_row.h"
#include "index/part_row.h"
#include "index/row.h"

#include <stdlib.h>
#include <string.h>

enum index_result index_owner(struct index *ix, const char *body_file, struct index_owner *o)
{
	sqlite3_stmt *st = ix->statements[OWNER];
	sqlite3_bind_text(st, 1, body_file, -1, SQLITE_STATIC);
	enum index_result found = index_step(ix, OWNER, "looking up the owner of a body");
	if (found == INDEX_FOUND) {
		struct index_row r = index_row_begin(st);
		o->entry_id = index_row_id(&r);
		o->body_bytes = index_row_number(&r, "", 0, ROW_BYTES_MAX); /* no file has the size -1 */
		o->has_sha256 = index_row_sha256(&r, "", o->sha256);
		if (r.wrong != NULL)
			o->body_bytes = -1;
	}
	index_reset(ix, OWNER);
	return found;
}

static enum index_row_is body_of_entry(const struct index *ix, sqlite3_stmt *st, struct index_body *b)
{
	enum index_row_is is;
	struct entry *e = index_entry(ix, st, &is);
	if (e != NULL) {
		*b = (struct index_body){
		    .body_bytes = e->body_bytes, .url = e->url, .file = e->body_file, .has_sha256 = e->has_sha256};
		memcpy(b->sha256, e->sha256, sizeof b->sha256);
		e->url = e->body_file = NULL;
		entry_free(e);
	}
	return is;
}

static enum index_row_is body_of_part(const struct index *ix, sqlite3_stmt *st, struct index_body *b)
{
	struct index_part_row row;
	enum index_row_is is = index_part_row(ix, st, &row);
	if (is == ROW_GOOD) {
		*b = (struct index_body){.body_bytes = row.part.body_bytes,
		    .url = row.of->url,
		    .file = row.part.body_file,
		    .has_sha256 = row.part.has_sha256};
		memcpy(b->sha256, row.part.sha256, sizeof b->sha256);
		row.of->url = row.part.body_file = NULL;
		index_part_row_free(&row);
	}
	return is;
}

void index_body_free(struct index_body *b)
{
	free(b->url);
	free(b->file);
}

int index_bodies(struct index *ix, bool parts, int64_t after, struct index_body *bodies, int max)
{
	enum statement s = parts ? PARTS_AFTER : ENTRIES_AFTER;
	sqlite3_stmt *st = ix->statements[s];
	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int(st, 2, max);
	int n = 0;
	enum index_result found = INDEX_ABSENT;
	for (; n < max && (found = index_step(ix, s, "reading all rows")) == INDEX_FOUND; n++) {
		bodies[n] = (struct index_body){0};
		enum index_row_is is = parts ? body_of_part(ix, st, &bodies[n]) : body_of_entry(ix, st, &bodies[n]);
		if (is == ROW_NO_MEMORY) {
			found = INDEX_BROKEN;
			break;
		}
		bodies[n].id = sqlite3_column_int64(st, 0);
		bodies[n].invalid = is == ROW_INVALID;
	}
	index_reset(ix, s);
	if (found != INDEX_BROKEN)
		return n;
	while (n-- > 0)
		index_body_free(&bodies[n]);
	return -1;
}
