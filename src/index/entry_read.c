#include "index/entry_read.h"

#include "base/log.h"
#include "index/entry_row.h"

#include <stdlib.h>
#include <string.h>

/* Compares when the responses were generated, as far as that is known; of equals, the one fetched last is more
 * recent. */
static bool more_recent(const struct entry *a, const struct entry *b)
{
	int64_t made_a = a->fetched_at - a->initial_age_s, made_b = b->fetched_at - b->initial_age_s;
	return made_a != made_b ? made_a > made_b : a->fetched_at > b->fetched_at;
}

/* Inserts the entry by recency. Variants are few, so an insertion sort is enough. */
static int add_row(struct index_rows *rows, struct entry *e)
{
	if ((rows->count & (rows->count - 1)) == 0) {
		size_t room = rows->count == 0 ? 1 : 2 * rows->count;
		struct entry **bigger = realloc(rows->entries, room * sizeof *bigger);
		if (bigger == NULL)
			return -1;
		rows->entries = bigger;
	}
	size_t i = rows->count++;
	for (; i > 0 && more_recent(e, rows->entries[i - 1]); i--)
		rows->entries[i] = rows->entries[i - 1];
	rows->entries[i] = e;
	return 0;
}

/* 0, also where the row is not used: an invalid row counts as absent. -1: no memory, logged. */
static int take_row(const struct index *ix, sqlite3_stmt *st, const char *url, struct index_rows *rows)
{
	enum index_row_is is;
	struct entry *e = index_entry(ix, st, &is);
	bool ours = e != NULL && strcmp(e->url, url) == 0; /* a damaged page may lead from one URL to the row of another
							    */
	if (ours && add_row(rows, e) == 0)
		return 0;
	if (ours)
		log_trouble("memory", "no memory for a row of the index");
	entry_free(e);
	return ours || is == ROW_NO_MEMORY ? -1 : 0;
}

/* Moves each compressed copy from the rows to its original. One whose original is missing or invalid is left out. */
static void gather_copies(struct index_rows *rows)
{
	struct entry *copies = NULL;
	size_t kept = 0;
	for (size_t i = 0; i < rows->count; i++) {
		struct entry *e = rows->entries[i];
		if (e->encoded_from == 0) {
			rows->entries[kept++] = e;
		} else {
			e->next_copy = copies;
			copies = e;
		}
	}
	rows->count = kept;
	for (struct entry *copy; (copy = copies) != NULL;) {
		size_t i = 0;
		copies = copy->next_copy;
		copy->next_copy = NULL;
		while (i < kept && rows->entries[i]->id != copy->encoded_from)
			i++;
		if (i == kept) {
			entry_free(copy);
			continue;
		}
		copy->next_copy = rows->entries[i]->copies;
		rows->entries[i]->copies = copy;
	}
}

enum index_result index_find(struct index *ix, const char *url, struct index_rows *rows)
{
	*rows = (struct index_rows){0};
	sqlite3_stmt *st = ix->statements[FIND];
	sqlite3_bind_text(st, 1, url, -1, SQLITE_STATIC);
	enum index_result found;
	while ((found = index_step(ix, FIND, "looking up a URL")) == INDEX_FOUND) {
		if (take_row(ix, st, url, rows) < 0) {
			found = INDEX_BROKEN;
			break;
		}
	}
	index_reset(ix, FIND);
	gather_copies(rows);
	if (found == INDEX_ABSENT && rows->count > 0)
		return INDEX_FOUND;
	index_rows_free(rows);
	return found;
}

enum index_result index_still(struct index *ix, int64_t id, const char *body_file)
{
	sqlite3_bind_int64(ix->statements[STILL], 1, id);
	index_bind_text(ix->statements[STILL], 2, body_file);
	enum index_result found = index_step(ix, STILL, "looking up a row");
	index_reset(ix, STILL);
	return found;
}

static bool same_text(sqlite3_stmt *st, int c, const char *text)
{
	const unsigned char *now = sqlite3_column_text(st, c);
	if (now == NULL || text == NULL)
		return now == NULL && text == NULL;
	size_t n = strlen(text);
	return n == (size_t)sqlite3_column_bytes(st, c) && memcmp(now, text, n) == 0;
}

static bool same_number(sqlite3_stmt *st, int c, int64_t n)
{
	struct index_row r = {.st = st, .next = c};
	return index_row_time(&r, "") == n && r.wrong == NULL;
}

/* The columns that a response depends on. Keep them as in the trigger entry_edited. */
static bool same_answer(sqlite3_stmt *st, const struct entry *e)
{
	return sqlite3_column_int64(st, 0) == e->id && same_text(st, 1, e->url) && same_text(st, 2, e->vary) &&
	       same_number(st, 3, e->status) && same_text(st, 4, e->headers) && same_text(st, 5, e->etag) &&
	       same_text(st, 6, e->last_modified) && same_text(st, 7, e->body_file) &&
	       same_number(st, 8, e->body_bytes) && same_number(st, 10, e->fetched_at) &&
	       same_number(st, 11, e->initial_age_s) && same_number(st, 12, e->fresh_until) &&
	       same_number(st, 13, e->stale_until);
}

/* The next row of the URL that is no compressed copy. */
static enum index_result next_original(struct index *ix)
{
	enum { ENCODED_FROM = 25 }; /* its place in ROW */
	enum index_result found;
	do
		found = index_step(ix, FIND, "confirming a response");
	while (found == INDEX_FOUND && sqlite3_column_type(ix->statements[FIND], ENCODED_FROM) != SQLITE_NULL);
	return found;
}

enum index_result index_confirm(struct index *ix, const struct entry *e)
{
	sqlite3_stmt *st = ix->statements[FIND];
	sqlite3_bind_text(st, 1, e->url, -1, SQLITE_STATIC);
	enum index_result found = next_original(ix);
	if (found == INDEX_FOUND && !same_answer(st, e))
		found = INDEX_ABSENT;
	if (found == INDEX_FOUND) {
		enum index_result second = next_original(ix);
		found = second == INDEX_ABSENT ? INDEX_FOUND : second == INDEX_FOUND ? INDEX_ABSENT : INDEX_BROKEN;
	}
	index_reset(ix, FIND);
	return found;
}
