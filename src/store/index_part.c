/* Byte ranges of bodies that are not complete: table part. */
#include "store/index_private.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/message.h"
#include "http/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 64 /* of one URL; a reader of scattered ranges must not fill the index */

/* --- reading --- */

void store_parts_free(struct store_parts *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->parts[i].body_file);
	free(p->parts);
	entry_free(p->of);
	*p = (struct store_parts){.whole_bytes = -1};
}

int64_t store_parts_cover(const struct store_parts *p, int64_t first)
{
	int64_t at = first;
	for (size_t i = 0; i < p->count && p->parts[i].first_byte <= at; i++)
		if (p->parts[i].first_byte + p->parts[i].body_bytes > at)
			at = p->parts[i].first_byte + p->parts[i].body_bytes;
	return at - first;
}

static struct entry *entry_of_part(sqlite3_stmt *st)
{
	bool lost = false;
	struct entry *e = calloc(1, sizeof *e);
	if (e == NULL)
		return NULL;
	e->url = index_text(st, 1, &lost);
	e->vary = index_text(st, 2, &lost);
	e->status = 200; /* what the whole would be */
	e->headers = index_text(st, 4, &lost);
	e->etag = index_text(st, 5, &lost);
	e->last_modified = index_text(st, 6, &lost);
	e->fetched_at = index_time(st, 7);
	e->initial_age_s = index_time(st, 8);
	e->fresh_until = index_time(st, 9);
	e->used_at = index_time(st, 10);
	if (lost || e->url == NULL || e->vary == NULL || e->headers == NULL) {
		entry_free(e);
		return NULL;
	}
	return e;
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Into its place by first byte. A part of another response, or one that adds nothing, is passed over. 0, or -1: memory. */
static int add_part(struct store_parts *p, sqlite3_stmt *st)
{
	bool lost = false;
	if (!same(p->of->vary, (const char *)sqlite3_column_text(st, 2)) ||
	    !same(p->of->etag, (const char *)sqlite3_column_text(st, 5)) ||
	    !same(p->of->last_modified, (const char *)sqlite3_column_text(st, 6)))
		return 0;
	struct part part = {.id = sqlite3_column_int64(st, 0), .first_byte = sqlite3_column_int64(st, 11),
	    .body_bytes = sqlite3_column_int64(st, 13)};
	if (store_parts_cover(p, part.first_byte) >= part.body_bytes)
		return 0;
	struct part *more = realloc(p->parts, (p->count + 1) * sizeof *more);
	if (more == NULL)
		return -1;
	p->parts = more;
	part.body_file = index_text(st, 14, &lost);
	part.has_sha256 = index_sha256(st, 15, part.sha256);
	if (part.body_file == NULL)
		return -1;
	size_t i = p->count++;
	for (; i > 0 && p->parts[i - 1].first_byte > part.first_byte; i--)
		p->parts[i] = p->parts[i - 1];
	p->parts[i] = part;
	if (sqlite3_column_type(st, 12) != SQLITE_NULL)
		p->whole_bytes = sqlite3_column_int64(st, 12);
	return 0;
}

enum store_found index_find_parts(struct index *ix, const char *url, bool (*wanted)(const void *ctx, const char *vary), const void *ctx,
    struct store_parts *p)
{
	*p = (struct store_parts){.whole_bytes = -1};
	sqlite3_stmt *st = ix->statements[PARTS];
	sqlite3_bind_text(st, 1, url, -1, SQLITE_STATIC);
	enum store_found found;
	bool lost = false;
	while (!lost && (found = index_ask(ix, PARTS, "looking up parts")) == STORE_FOUND) {
		const char *vary = (const char *)sqlite3_column_text(st, 2);
		if (p->of == NULL && vary != NULL && wanted(ctx, vary))
			lost = (p->of = entry_of_part(st)) == NULL;
		if (p->of != NULL)
			lost = add_part(p, st) < 0;
	}
	index_rest(ix, PARTS);
	if (lost) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("memory", "no memory for the parts of a body");
		found = STORE_BROKEN;
	}
	if (found == STORE_ABSENT && p->count > 0)
		return STORE_FOUND;
	store_parts_free(p);
	return found;
}

/* --- writing --- */

/* url and vary. */
static sqlite3_stmt *of_response(struct index *ix, enum statement s, const struct entry *e)
{
	index_bind_text(ix->statements[s], 1, e->url);
	index_bind_text(ix->statements[s], 2, e->vary);
	return ix->statements[s];
}

/* RFC 9111 3.4: ranges are joined by a strong validator only. */
static int drop_others(struct index *ix, const struct entry *e, const struct part_place *place)
{
	sqlite3_stmt *st = of_response(ix, PARTS_DROP_OTHERS, e);
	index_bind_text(st, 3, e->etag);
	index_bind_text(st, 4, e->last_modified);
	sqlite3_bind_int(st, 5, (int)place->joined);
	if (place->whole_bytes >= 0)
		sqlite3_bind_int64(st, 6, place->whole_bytes);
	return index_run(ix, PARTS_DROP_OTHERS, "dropping parts of another response");
}

/* The fields of the ranges that are here, updated by those of the new one, are the fields of all (RFC 9111 3.4, 3.2). */
static int update_fields(struct index *ix, const struct entry *e, char **headers)
{
	struct head stored, news;
	struct buf text;
	sqlite3_stmt *st = of_response(ix, PART_HEADERS, e);
	enum store_found found = index_ask(ix, PART_HEADERS, "looking for parts");
	message_init(&stored);
	message_init(&news);
	buf_init(&text, BUF_HEAD);
	int rc = found == STORE_BROKEN ? -1 : 0;
	if (found == STORE_FOUND && message_parse_fields(&stored, span_of((const char *)sqlite3_column_text(st, 0))) == 0 &&
	    message_parse_fields(&news, span_of(e->headers)) == 0 && policy_update_fields(&stored, &news, true, &text) == 0) {
		*headers = strdup(buf_str(&text));
		rc = *headers != NULL ? 0 : -1;
	}
	index_rest(ix, PART_HEADERS);
	buf_fini(&text);
	message_fini(&news);
	message_fini(&stored);
	return rc;
}

/* What the latest answer said is true of all ranges it may be joined with (RFC 9111 3.4). */
static int freshen_parts(struct index *ix, const struct entry *e)
{
	sqlite3_stmt *st = of_response(ix, PARTS_FRESHEN, e);
	index_bind_text(st, 3, e->headers);
	sqlite3_bind_int64(st, 4, e->fetched_at);
	sqlite3_bind_int64(st, 5, e->initial_age_s);
	sqlite3_bind_int64(st, 6, e->fresh_until);
	return index_run(ix, PARTS_FRESHEN, "freshening parts");
}

static int insert_part(struct index *ix, const struct entry *e, const struct part_place *place)
{
	ix->parts = true;
	sqlite3_stmt *st = of_response(ix, PART_INSERT, e);
	sqlite3_bind_int(st, 3, e->status);
	index_bind_text(st, 4, e->headers);
	index_bind_text(st, 5, e->etag);
	index_bind_text(st, 6, e->last_modified);
	index_bind_text(st, 7, e->body_file);
	sqlite3_bind_int64(st, 8, e->body_bytes);
	if (e->has_sha256)
		sqlite3_bind_blob(st, 9, e->sha256, 32, SQLITE_STATIC);
	sqlite3_bind_int64(st, 10, e->fetched_at);
	sqlite3_bind_int64(st, 11, e->initial_age_s);
	sqlite3_bind_int64(st, 12, e->fresh_until);
	sqlite3_bind_int64(st, 13, e->fetched_at);
	sqlite3_bind_int64(st, 14, place->first_byte);
	if (place->whole_bytes >= 0)
		sqlite3_bind_int64(st, 15, place->whole_bytes);
	return index_run(ix, PART_INSERT, "storing a part");
}

static enum index_stored put_part(struct index *ix, const struct entry *e, const struct part_place *place)
{
	int64_t behind = place->first_byte + e->body_bytes;
	if (freshen_parts(ix, e) < 0)
		return INDEX_UNSTORED;
	sqlite3_stmt *st = of_response(ix, PART_COVERED, e);
	sqlite3_bind_int64(st, 3, place->first_byte);
	sqlite3_bind_int64(st, 4, behind);
	enum store_found covered = index_ask(ix, PART_COVERED, "looking for a part");
	index_rest(ix, PART_COVERED);
	if (covered != STORE_ABSENT)
		return covered == STORE_FOUND ? INDEX_PURGED : INDEX_UNSTORED;
	st = of_response(ix, PARTS_DROP_WITHIN, e);
	sqlite3_bind_int64(st, 3, place->first_byte);
	sqlite3_bind_int64(st, 4, behind);
	if (index_run(ix, PARTS_DROP_WITHIN, "dropping parts within a larger one") < 0 || insert_part(ix, e, place) < 0)
		return INDEX_UNSTORED;
	index_bind_text(ix->statements[PARTS_TRIM], 1, e->url);
	sqlite3_bind_int(ix->statements[PARTS_TRIM], 2, PARTS_MAX);
	index_run(ix, PARTS_TRIM, "trimming parts"); /* if not, there is one too many */
	return INDEX_STORED;
}

enum index_stored index_put_part(struct index *ix, struct entry *e, const struct part_place *place)
{
	assert(ix->who != NULL);
	char *headers = NULL;
	if (e->body_file == NULL || drop_others(ix, e, place) < 0 || update_fields(ix, e, &headers) < 0)
		return INDEX_UNSTORED;
	struct entry with = *e; /* seats may read the entry's own fields */
	if (headers != NULL)
		with.headers = headers;
	enum index_stored stored = put_part(ix, &with, place);
	free(headers);
	return stored;
}

int index_drop_part(struct index *ix, const char *body_file)
{
	assert(ix->who != NULL);
	index_bind_text(ix->statements[DROP_PART], 1, body_file);
	return index_run(ix, DROP_PART, "dropping a part without its body");
}

int index_drop_parts(struct index *ix, const char *url, const char *vary)
{
	assert(ix->who != NULL);
	if (!ix->parts)
		return 0;
	index_bind_text(ix->statements[PARTS_DROP], 1, url);
	index_bind_text(ix->statements[PARTS_DROP], 2, vary);
	return index_run(ix, PARTS_DROP, "dropping parts");
}
