#include "index/purging.h"

#include "index/edit.h"
#include "index/query.h"

#include <stdlib.h>

enum { TEXTS = 3, /* glob, host, tags */ PARAMS = 4 };

static void params_of(const struct purging *p, const char *params[PARAMS])
{
	params[0] = p->glob;
	params[1] = p->host;
	params[2] = p->tags;
	params[3] = p->path;
}

void purging_add_tag(struct buf *tags, struct span tag)
{
	buf_adds(tags, tags->len == 0 ? "[\"" : ",\"");
	for (size_t i = 0; i < tag.len; i++) {
		unsigned char c = (unsigned char)tag.at[i];
		if (c < ' ')
			buf_addf(tags, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_addf(tags, "\\%c", c);
		else
			buf_addc(tags, (char)c);
	}
	buf_addc(tags, '"');
}

void purging_end_tags(struct buf *tags)
{
	buf_adds(tags, tags->len == 0 ? "[]" : "]");
}

int purging_announce(const char *dir, const struct purging *p, struct buf *why)
{
	const char *params[PARAMS];
	params_of(p, params);
	return index_change(dir,
	    p->tags != NULL ? "INSERT INTO purge (url_glob, host, tag) SELECT ?1, ?2, value FROM json_each(?3)"
			    : "INSERT INTO purge (url_glob, host, tag) VALUES (?1, ?2, ?3)",
	    params, TEXTS, NULL, why);
}

/* --- selecting --- */

struct rows {
	int64_t *ids;
	size_t count, room;
	int64_t bytes;
	bool failed; /* no memory */
};

static int keep_row(void *ctx, const struct index_column *c, size_t count)
{
	struct rows *r = ctx;
	(void)count;
	if (r->count == r->room) {
		size_t room = r->room == 0 ? 64 : 2 * r->room;
		int64_t *more = realloc(r->ids, room * sizeof *more);
		r->failed = more == NULL;
		if (r->failed)
			return 1;
		r->ids = more;
		r->room = room;
	}
	r->ids[r->count++] = strtoll(column_text(&c[0]), NULL, 10);
	r->bytes += column_size(&c[1]);
	return 0;
}

/* Adds the condition of the URLs, so that SQLite can use an index for both halves. */
static void add_urls(struct buf *sql, const struct purging *p)
{
	if (p->path != NULL)
		buf_adds(sql,
		    " AND substr(coalesce(normal_url, url), 8 + instr(substr(coalesce(normal_url, url), 9), '/')) "
		    "GLOB ?4");
	else if (p->glob != NULL)
		buf_adds(sql, " AND (url GLOB ?1 AND normal_url IS NULL OR normal_url GLOB ?1)");
}

/* Runs the SELECT of ids and bytes. */
static int select_ids(
    const char *dir, const struct buf *sql, const struct purging *p, struct rows *rows, struct buf *why)
{
	const char *params[PARAMS];
	params_of(p, params);
	int rc = index_query(dir, buf_str(sql), params, PARAMS, keep_row, rows, why);
	if (rc == 0 && rows->failed)
		buf_adds(why, "out of memory");
	return rows->failed ? -1 : rc;
}

/* --- parts --- */

/* The groups of a part are known by its fields alone. In doubt it is removed, because its bytes can be fetched again.
 */
static int select_parts(const char *dir, const struct purging *p, struct rows *rows, struct buf *why)
{
	struct buf sql;
	buf_init(&sql, BUF_LINE);
	buf_adds(&sql, "SELECT id, body_bytes FROM part WHERE true");
	add_urls(&sql, p);
	if (p->host != NULL)
		buf_adds(&sql, " AND substr(url, instr(url, '://') + 3, length(?2)) = ?2 "
			       "AND substr(url, instr(url, '://') + 3 + length(?2), 1) IN (':', '/')");
	if (p->tags != NULL)
		buf_adds(&sql, " AND EXISTS (SELECT 1 FROM json_each(?3) "
			       "WHERE instr(headers, value) OR value GLOB '*[\\\"]*')");
	int rc = select_ids(dir, &sql, p, rows, why);
	buf_fini(&sql);
	return rc;
}

int purging_parts(const char *dir, const struct purging *p, bool dry, struct purging_result *r, struct buf *why)
{
	struct rows rows = {NULL, 0, 0, 0, false};
	int64_t changed = 0;
	int rc = select_parts(dir, p, &rows, why);
	if (rc == 0 && rows.count > 0 && !dry)
		rc = index_change_each(
		    dir, "DELETE FROM part WHERE id = ?1", rows.ids, rows.count, NULL, NULL, &changed, why);
	r->rows += dry ? (int64_t)rows.count : changed;
	r->bytes += rows.bytes;
	free(rows.ids);
	return rc;
}

/* --- rows --- */

/* The UPDATEs write another value than the computed one, because only such a value overrides rules. */
int purging_rows(const char *dir, const int64_t *ids, size_t count, enum purging_how how,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why)
{
	static const char *const sql[] = {[PURGING_DELETE] = "DELETE FROM entry WHERE id = ?1",
	    [PURGING_VALIDATE] = "UPDATE entry SET fresh_until = 0 WHERE id = ?1",
	    [PURGING_STALE] = "UPDATE entry SET fresh_until = min(fresh_until - 1, unixepoch()) WHERE id = ?1"};
	return index_change_each(dir, sql[how], ids, count, progress, ctx, changed, why);
}

static int note_row(void *found, const struct index_column *c, size_t count)
{
	(void)c;
	(void)count;
	*(bool *)found = true;
	return 1;
}

/* Only a rule with such a tag makes it necessary to look at every row. */
static int select_rows(const char *dir, const struct purging *p, struct rows *rows, struct buf *why)
{
	struct buf sql;
	bool by_rule = false;
	if (p->tags != NULL &&
	    index_query(dir, "SELECT 1 FROM rule WHERE tag IN (SELECT value FROM json_each(?1)) LIMIT 1", &p->tags, 1,
		note_row, &by_rule, why) != 0)
		return -1;
	buf_init(&sql, BUF_LINE);
	buf_addf(
	    &sql, "SELECT id, body_bytes FROM entry%s WHERE true", by_rule ? " JOIN v_ruled AS ruled USING (id)" : "");
	add_urls(&sql, p);
	if (p->host != NULL)
		buf_adds(&sql, " AND host = ?2");
	if (p->tags != NULL)
		buf_addf(&sql,
		    " AND (id IN (SELECT entry_id FROM entry_tag WHERE tag = '' OR tag IN (SELECT value FROM "
		    "json_each(?3)) UNION ALL SELECT id FROM entry WHERE tag IN (SELECT value FROM json_each(?3)))%s)",
		    by_rule ? " OR ruled.tag IN (SELECT value FROM json_each(?3))" : "");
	int rc = select_ids(dir, &sql, p, rows, why);
	buf_fini(&sql);
	return rc;
}

int purging_run(
    const char *dir, const struct purging *p, enum purging_how how, struct purging_result *r, struct buf *why)
{
	struct rows rows = {NULL, 0, 0, 0, false};
	int64_t changed = 0;
	int rc = purging_announce(dir, p, why);
	if (rc == 0)
		rc = purging_parts(dir, p, false, r, why);
	if (rc == 0)
		rc = select_rows(dir, p, &rows, why);
	if (rc == 0 && rows.count > 0)
		rc = purging_rows(dir, rows.ids, rows.count, how, NULL, NULL, &changed, why);
	r->rows += changed;
	r->bytes += rows.bytes;
	free(rows.ids);
	return rc;
}
