#include "index/entry_tags.h"

#include "base/span.h"
#include "index/connection.h"

#include <assert.h>

enum { BATCH_ROWS = 1000 /* deleted by one call */ };

static void bind_span(sqlite3_stmt *st, int at, struct span s)
{
	sqlite3_bind_text(st, at, s.at, (int)s.len, SQLITE_STATIC);
}

int index_tags_set(struct index *ix, int64_t id, const char *groups, bool fresh)
{
	assert(ix->who != NULL);
	struct span rest = span_of(groups != NULL ? groups : ""), line;
	if (!fresh && ix->tags) {
		sqlite3_bind_int64(ix->statements[TAGS_CLEAR], 1, id);
		if (index_run(ix, TAGS_CLEAR, "removing the groups of a row") < 0)
			return -1;
	}
	while (span_next_line(&rest, &line)) {
		sqlite3_bind_int64(ix->statements[TAG_ADD], 1, id);
		bind_span(ix->statements[TAG_ADD], 2, line);
		if (index_run(ix, TAG_ADD, "storing the groups of a row") < 0)
			return -1;
		ix->tags = true;
	}
	return 0;
}

static int invalidate(struct index *ix, enum statement s, struct span origin, struct span group, int64_t *left)
{
	bind_span(ix->statements[s], 1, group);
	bind_span(ix->statements[s], 2, origin);
	sqlite3_bind_int64(ix->statements[s], 3, *left);
	if (index_run(ix, s, "invalidating a group") < 0)
		return -1;
	*left -= sqlite3_changes(ix->db);
	return 0;
}

int index_invalidate_groups(struct index *ix, struct span origin, const char *groups, bool *more)
{
	assert(ix->who != NULL);
	struct span rest = span_of(groups), line;
	int64_t left = BATCH_ROWS;
	while (left > 0 && span_next_line(&rest, &line)) {
		if ((ix->parts && invalidate(ix, GROUP_INVALIDATE_PARTS, origin, line, &left) < 0) ||
		    (left > 0 && ix->tags && invalidate(ix, GROUP_INVALIDATE, origin, line, &left) < 0))
			return -1;
	}
	*more = left <= 0;
	return 0;
}
