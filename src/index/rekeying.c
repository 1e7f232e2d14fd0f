#include "index/rekeying.h"

#include "index/edit.h"
#include "index/query.h"

#include <stdlib.h>

/* All URLs from "http://host/" up to the byte after the slash: the index on the URL finds them. */
#define BELOW(url, from) url " >= " from " || '/' AND " url " < " from " || '0'"
/* ?2 is `from`, ?3 is `to`. */
#define NEW_URL(row) "?3 || substr(" row "url, length(?2) + 1)"

static const struct index_statements entries = {
    .sql = {"DELETE FROM entry WHERE id = (SELECT iif(n.fetched_at > o.fetched_at, o.id, n.id) FROM entry AS o "
	    "JOIN entry AS n ON n.url = " NEW_URL("o.") " AND n.vary = o.vary WHERE o.id = ?1 AND " BELOW(
		"o.url", "?2") ")",
	"UPDATE entry SET normal_url = curlew_normal(" NEW_URL("") "), url = " NEW_URL("") " WHERE id = ?1 AND " BELOW(
	    "url", "?2")},
};

/* Parts that cannot stand next to those of the new URL are left out: of another body, or of the same bytes. */
static const struct index_statements parts = {
    .sql =
	{"DELETE FROM part WHERE id = ?1 AND EXISTS (SELECT 1 FROM part AS n WHERE n.url = " NEW_URL(
	     "part.") " AND n.vary = part.vary AND (n.etag IS NOT part.etag OR n.last_modified IS NOT "
		      "part.last_modified OR "
		      "n.whole_bytes IS NOT part.whole_bytes OR (n.first_byte < part.first_byte + part.body_bytes AND "
		      "part.first_byte < n.first_byte + n.body_bytes)))",
	    "UPDATE part SET normal_url = curlew_normal(" NEW_URL("") "), url = " NEW_URL(
		"") " WHERE id = ?1 AND " BELOW("url", "?2")},
};

struct ids {
	int64_t *at;
	size_t count, room;
};

static int add_id(void *ctx, const struct index_column *c, size_t count)
{
	struct ids *ids = ctx;
	(void)count;
	if (ids->count == ids->room) {
		size_t room = ids->room == 0 ? 1024 : 2 * ids->room;
		int64_t *more = reallocarray(ids->at, room, sizeof *more);
		if (more == NULL)
			return -1;
		ids->at = more;
		ids->room = room;
	}
	ids->at[ids->count++] = column_size(&c[0]);
	return 0;
}

static int rekey_table(const char *dir, const char *select, const struct index_statements *table,
    const char *const params[2], void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed,
    struct buf *why)
{
	struct ids ids = {NULL, 0, 0};
	struct index_statements statements = {
	    .sql = {table->sql[0], table->sql[1]}, .params = params, .param_count = 2};
	int64_t now = 0;
	int rc = index_query(dir, select, params, 1, add_id, &ids, why);
	if (rc == 0 && ids.count > 0)
		rc = index_change_each_by(dir, &statements, ids.at, ids.count, progress, ctx, &now, why);
	*changed += now;
	free(ids.at);
	return rc;
}

int rekeying_rows(const char *dir, const char *from, const char *to,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why)
{
	const char *const params[2] = {from, to};
	*changed = 0;
	int rc = rekey_table(
	    dir, "SELECT id FROM entry WHERE " BELOW("url", "?1"), &entries, params, progress, ctx, changed, why);
	if (rc == 0)
		rc = rekey_table(
		    dir, "SELECT id FROM part WHERE " BELOW("url", "?1"), &parts, params, progress, ctx, changed, why);
	return rc;
}

static int take_count(void *ctx, const struct index_column *c, size_t count)
{
	(void)count;
	*(int64_t *)ctx = column_size(&c[0]);
	return 0;
}

int rekeying_count(const char *dir, const char *from, int64_t *count, struct buf *why)
{
	*count = 0;
	return index_query(dir,
	    "SELECT (SELECT count(*) FROM entry WHERE " BELOW(
		"url", "?1") ") + (SELECT count(*) FROM part WHERE " BELOW("url", "?1") ")",
	    &from, 1, take_count, count, why);
}

int rekeying_mode(
    const char *dir, const char *from, const char *was, const char *mode, int64_t *changed, struct buf *why)
{
	const char *params[] = {from, was, mode};
	return index_change(dir,
	    "UPDATE setting SET value = ?3 WHERE name = 'mode' AND value = ?2 AND NOT EXISTS (SELECT 1 FROM entry "
	    "WHERE " BELOW("url", "?1") ") AND NOT EXISTS (SELECT 1 FROM part WHERE " BELOW("url", "?1") ")",
	    params, 3, changed, why);
}
