/* The order of look-ups is the one of store_find(). */
#include "store/store_parts.h"

#include "base/log.h"
#include "base/stats.h"
#include "body/folders.h"
#include "http/groups.h"
#include "index/part_read.h"
#include "index/part_write.h"
#include "index/query.h"
#include "store/store_find.h"
#include "store/store_struct.h"

#include <stdlib.h>
#include <string.h>

enum index_result store_find_parts(struct store *s, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *parts)
{
	*parts = (struct index_parts){.whole_bytes = -1};
	struct buf groups;
	buf_init(&groups, BUF_PAGE);
	enum index_result found = INDEX_ABSENT;
	if (!tombstones_has(s->tombstones, url, &groups)) {
		struct index *ix = reader_pool_take(s->pool);
		found = ix != NULL ? index_find_parts(ix, url, wanted, ctx, parts) : INDEX_BROKEN;
		if (ix != NULL)
			reader_pool_give(s->pool, ix);
	}
	if (groups.len > 0 && parts->of != NULL && groups_fields_meet(parts->of->headers, buf_str(&groups))) {
		index_parts_free(parts);
		found = INDEX_ABSENT;
	}
	buf_fini(&groups);
	return found;
}

struct covered {
	struct store *store;
	void (*each)(void *ctx, struct index_parts *);
	void *ctx;
};

static bool is_variant(const void *vary, const char *of)
{
	return strcmp(vary, of) == 0;
}

/* Called for each row (url, vary). */
static int offer_covered(void *ctx, const struct index_column *v, size_t count)
{
	const struct covered *c = ctx;
	struct index_parts parts = {.whole_bytes = -1};
	if (count == 2 && v[0].text != NULL && v[1].text != NULL &&
	    store_find_parts(c->store, v[0].text, is_variant, v[1].text, &parts) == INDEX_FOUND)
		c->each(c->ctx, &parts);
	index_parts_free(&parts);
	return 0;
}

void store_covered(struct store *s, void (*each)(void *ctx, struct index_parts *), void *ctx)
{
	struct covered c = {s, each, ctx};
	struct buf why;
	buf_init(&why, BUF_LINE);
	if (index_query(s->dir,
		"SELECT url, vary FROM part WHERE whole_bytes > 0 GROUP BY url, vary HAVING total(body_bytes) >= "
		"max(whole_bytes) LIMIT 1000",
		NULL, 0, offer_covered, &c, &why) < 0)
		log_trouble("parts", "%s", buf_str(&why));
	buf_fini(&why);
}

struct dropped {
	struct writer_op op;
	bool by_file;
	char name[]; /* by_file: body_file; else: url */
};

static int dropped_run(struct writer_op *op, struct index *ix)
{
	const struct dropped *d = (const struct dropped *)op;
	return d->by_file ? index_drop_part(ix, d->name) : index_drop_parts(ix, d->name, NULL);
}

static void dropped_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free(op);
}

static void drop(struct store *s, const char *name, bool by_file)
{
	struct dropped *d = calloc(1, sizeof *d + strlen(name) + 1);
	if (d == NULL)
		return;
	d->op = (struct writer_op){.run = dropped_run, .done = dropped_done};
	d->by_file = by_file;
	strcpy(d->name, name);
	writer_queue(s->writer, &d->op, true);
}

void store_drop_parts(struct store *s, const char *url)
{
	drop(s, url, false);
}

int store_open_part(struct store *s, const struct part *part)
{
	int fd =
	    store_open_verified(s, part->body_file, part->body_bytes, false, part->has_sha256 ? part->sha256 : NULL);
	if (fd == -2)
		return -1;
	if (fd < 0 && bodies_present(s->bodies)) {
		stats_add(STATS_BROKEN_ROWS, 1);
		drop(s, part->body_file, true);
	}
	return fd;
}

void store_used_part(struct store *s, int64_t id, int64_t used_at)
{
	usage_hits(s->usage, -id, 1, used_at);
}
