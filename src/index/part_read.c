#include "index/part_read.h"

#include "index/part_row.h"

#include <stdlib.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Do all of them fit into a body of that size? */
static bool all_within(const struct index_parts *p, int64_t whole_bytes)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->parts[i].first_byte + p->parts[i].body_bytes > whole_bytes)
			return false;
	return true;
}

/* Is the row a part of the response that the others are parts of, and does it add anything? */
static bool belongs(const struct index_parts *p, const struct index_part_row *row)
{
	int64_t whole = p->whole_bytes;
	if (!same(p->of->vary, row->of->vary) || !same(p->of->etag, row->of->etag) ||
	    !same(p->of->last_modified, row->of->last_modified))
		return false;
	if (whole >= 0 && ((row->whole_bytes >= 0 && row->whole_bytes != whole) ||
			      row->part.first_byte + row->part.body_bytes > whole))
		return false;
	if (whole < 0 && row->whole_bytes >= 0 && !all_within(p, row->whole_bytes))
		return false;
	return index_parts_cover(p, row->part.first_byte) < row->part.body_bytes;
}

/* Inserts the part by its first byte, and takes it over. 0, or -1: no memory. */
static int add_part(struct index_parts *p, struct index_part_row *row)
{
	struct part *more = realloc(p->parts, (p->count + 1) * sizeof *more);
	if (more == NULL)
		return -1;
	p->parts = more;
	size_t i = p->count++;
	for (; i > 0 && p->parts[i - 1].first_byte > row->part.first_byte; i--)
		p->parts[i] = p->parts[i - 1];
	p->parts[i] = row->part;
	row->part.body_file = NULL;
	if (row->whole_bytes >= 0)
		p->whole_bytes = row->whole_bytes;
	return 0;
}

/* 0, also where the row is skipped; or -1: no memory. */
static int take_row(struct index_parts *p, struct index_part_row *row, const char *url,
    bool (*wanted)(const void *ctx, const char *vary), const void *ctx)
{
	if (strcmp(row->of->url, url) != 0)
		return 0; /* a damaged page may lead from one URL to the row of another */
	if (p->of == NULL) {
		if (!wanted(ctx, row->of->vary))
			return 0;
		p->of = entry_copy(row->of);
		if (p->of == NULL)
			return -1;
	}
	return belongs(p, row) ? add_part(p, row) : 0;
}

enum index_result index_find_parts(struct index *ix, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *p)
{
	*p = (struct index_parts){.whole_bytes = -1};
	sqlite3_stmt *st = ix->statements[PARTS];
	sqlite3_bind_text(st, 1, url, -1, SQLITE_STATIC);
	enum index_result found;
	bool lost = false;
	while (!lost && (found = index_step(ix, PARTS, "looking up parts")) == INDEX_FOUND) {
		struct index_part_row row;
		enum index_row_is is = index_part_row(ix, st, &row);
		lost = is == ROW_NO_MEMORY || (is == ROW_GOOD && take_row(p, &row, url, wanted, ctx) < 0);
		index_part_row_free(&row);
	}
	index_reset(ix, PARTS);
	if (lost)
		found = INDEX_BROKEN;
	if (found == INDEX_ABSENT && p->count > 0)
		return INDEX_FOUND;
	index_parts_free(p);
	return found;
}
