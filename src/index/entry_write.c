/*
 * There is no REPLACE and no cascade: the triggers must see every row that goes, because they keep the counters.
 */
#include "index/entry_write.h"

#include "http/compression.h"
#include "http/policy_storing.h"
#include "index/connection.h"
#include "index/entry_tags.h"
#include "index/evict.h"
#include "index/part_write.h"
#include "index/refusals.h"
#include "index/stored.h"

#include <assert.h>
#include <stdlib.h>

#define VARIANTS_MAX 64 /* of one URL; pinned rows stay, and count */

static void bind_ms(sqlite3_stmt *st, int at, double ms)
{
	if (ms >= 0)
		sqlite3_bind_double(st, at, ms);
}

/* Binds the parameters 3 to 20, which INSERT and OVERWRITE share. */
static void bind_response(sqlite3_stmt *st, const struct entry *e)
{
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
	sqlite3_bind_int64(st, 13, e->stale_until);
	sqlite3_bind_int64(st, 14, e->used_at != 0 ? e->used_at : e->fetched_at);
	if (e->rule_id != 0)
		sqlite3_bind_int64(st, 15, e->rule_id);
	index_bind_text(st, 16, e->reason);
	bind_ms(st, 17, e->dns_ms);
	bind_ms(st, 18, e->connect_ms);
	bind_ms(st, 19, e->ttfb_ms);
	bind_ms(st, 20, e->total_ms);
}

static int insert(struct index *ix, struct entry *e)
{
	const char *queue = "main"; /* copies are evicted with their originals: they have no turn of their own */
	int64_t place = 0;
	if (e->encoded_from == 0 && index_queue(ix, e, &queue, &place) < 0)
		return -1;
	sqlite3_stmt *st = ix->statements[INSERT];
	index_bind_text(st, 1, e->url);
	index_bind_text(st, 2, e->vary);
	bind_response(st, e);
	sqlite3_bind_int64(st, 21, e->hits);
	sqlite3_bind_int(st, 22, e->pinned);
	index_bind_text(st, 23, e->tag);
	index_bind_text(st, 24, e->note);
	index_bind_text(st, 25, queue);
	sqlite3_bind_int64(st, 26, place);
	if (e->encoded_from != 0)
		sqlite3_bind_int64(st, 28, e->encoded_from);
	if (index_bind_normal(st, 27, e->url) < 0 || index_run(ix, INSERT, "storing a row") < 0)
		return -1;
	e->id = sqlite3_last_insert_rowid(ix->db);
	return 0;
}

/* OVERWRITE leaves some columns as they are. Do they still satisfy the constraints? In a damaged row they may not. */
static bool is_overwritable(struct index *ix, int64_t id)
{
	sqlite3_stmt *st = ix->statements[LEFT_ALONE];
	sqlite3_bind_int64(st, 1, id);
	bool is = index_step(ix, LEFT_ALONE, "looking at the row to replace") == INDEX_FOUND &&
		  sqlite3_column_int(st, 0) != 0;
	index_reset(ix, LEFT_ALONE);
	return is;
}

/* Overwrites the row in place: id, hits, pinned, tag and note stay (invariant 8). */
static int overwrite(struct index *ix, struct entry *e, int64_t id)
{
	sqlite3_stmt *st = ix->statements[OVERWRITE];
	bind_response(st, e);
	sqlite3_bind_int64(st, 21, id);
	index_bind_text(st, 22, e->tag);
	if (e->encoded_from != 0)
		sqlite3_bind_int64(st, 23, e->encoded_from);
	if (!is_overwritable(ix, id)) {
		index_reset(ix, OVERWRITE);
		sqlite3_bind_int64(ix->statements[EVICT], 1, id);
		return index_run(ix, EVICT, "removing an invalid row") < 0 ? -1 : insert(ix, e);
	}
	if (index_run(ix, OVERWRITE, "replacing a row") < 0)
		return -1;
	e->id = id;
	return 0;
}

/* Finds the row of the same URL and variant; *id is its id. */
static enum index_result find_same(struct index *ix, const struct entry *e, int64_t *id)
{
	index_bind_text(ix->statements[HAS_KEY], 1, e->url);
	index_bind_text(ix->statements[HAS_KEY], 2, e->vary);
	enum index_result found = index_step(ix, HAS_KEY, "looking for the row to replace");
	if (found == INDEX_FOUND)
		*id = sqlite3_column_int64(ix->statements[HAS_KEY], 0);
	index_reset(ix, HAS_KEY);
	return found;
}

/* An origin that varies on a field with a new value in each request must not fill the cache with one page. */
static int trim_variants(struct index *ix, const char *url)
{
	index_bind_text(ix->statements[VARIANTS_TRIM], 1, url);
	sqlite3_bind_int(ix->statements[VARIANTS_TRIM], 2, VARIANTS_MAX);
	return index_run(ix, VARIANTS_TRIM, "trimming variants");
}

enum index_stored index_replaceable(struct index *ix, const struct entry *was)
{
	assert(ix->who != NULL);
	sqlite3_stmt *st = ix->statements[HAS_ROW];
	sqlite3_bind_int64(st, 1, was->id);
	sqlite3_bind_int64(st, 2, was->fetched_at);
	sqlite3_bind_int64(st, 3, was->fresh_until);
	enum index_result found = index_step(ix, HAS_ROW, "looking for the row to replace");
	bool as_it_was = found == INDEX_FOUND && sqlite3_column_int(st, 0) != 0;
	index_reset(ix, HAS_ROW);
	return found == INDEX_BROKEN   ? INDEX_UNSTORED
	       : found == INDEX_ABSENT ? INDEX_PURGED
	       : as_it_was             ? INDEX_STORED
				       : INDEX_CHANGED;
}

enum index_stored index_put(struct index *ix, struct entry *e)
{
	assert(ix->who != NULL);
	int64_t id = 0;
	enum index_result same = find_same(ix, e, &id);
	if (same == INDEX_BROKEN || (same == INDEX_FOUND ? overwrite(ix, e, id) : insert(ix, e)) < 0)
		return INDEX_UNSTORED;
	if (e->groups != NULL || same == INDEX_FOUND)
		if (index_tags_set(ix, e->id, e->groups, same == INDEX_ABSENT) < 0)
			return INDEX_UNSTORED;
	if (same == INDEX_ABSENT && e->vary[0] != '\0')
		trim_variants(ix, e->url);
	index_drop_parts(ix, e->url, e->vary);
	index_refusal_forget(ix, e->url);
	return INDEX_STORED;
}

/* The compressed copies of a refreshed response have its fields; triggers give them its times. */
static int refresh_copies(struct index *ix, const struct entry *was, const struct entry *now)
{
	struct head original, copy;
	struct buf fields;
	message_init(&original);
	message_init(&copy);
	buf_init(&fields, BUF_HEAD);
	int rc = message_parse_fields(&original, span_of(now->headers));
	for (const struct entry *c = was->copies; c != NULL && rc == 0; c = c->next_copy) {
		char *tag = now->etag != NULL ? compression_tag(now->etag) : NULL;
		sqlite3_stmt *st = ix->statements[COPY_REFRESH];
		buf_clear(&fields);
		if (message_parse_fields(&copy, span_of(c->headers)) == 0 &&
		    compression_fields(&original, compression_of(&copy), &fields) == 0) {
			sqlite3_bind_int64(st, 1, c->id);
			sqlite3_bind_int64(st, 2, was->id);
			index_bind_text(st, 3, buf_str(&fields));
			index_bind_text(st, 4, tag);
			index_bind_text(st, 5, now->last_modified);
			rc = index_run(ix, COPY_REFRESH, "refreshing a compressed copy");
		}
		free(tag);
	}
	buf_fini(&fields);
	message_fini(&copy);
	message_fini(&original);
	return rc < 0 ? -1 : 0;
}

int index_refresh(struct index *ix, const struct entry *was, const struct entry *now)
{
	assert(ix->who != NULL);
	sqlite3_stmt *st = ix->statements[REFRESH];
	sqlite3_bind_int(st, 1, now->status);
	index_bind_text(st, 2, now->headers);
	index_bind_text(st, 3, now->etag);
	index_bind_text(st, 4, now->last_modified);
	sqlite3_bind_int64(st, 5, now->fetched_at);
	sqlite3_bind_int64(st, 6, now->initial_age_s);
	sqlite3_bind_int64(st, 7, now->fresh_until);
	sqlite3_bind_int64(st, 8, now->stale_until);
	if (now->rule_id != 0)
		sqlite3_bind_int64(st, 9, now->rule_id);
	index_bind_text(st, 10, now->reason);
	sqlite3_bind_int64(st, 11, was->id);
	sqlite3_bind_int64(st, 12, was->fetched_at);
	sqlite3_bind_int64(st, 13, was->fresh_until);
	sqlite3_bind_int64(st, 14, was->stale_until);
	index_bind_text(st, 15, was->body_file);
	if (index_run(ix, REFRESH, "refreshing a row") < 0)
		return -1;
	bool refreshed = sqlite3_changes(ix->db) > 0;
	if (refreshed && was->copies != NULL && refresh_copies(ix, was, now) < 0)
		return -1;
	return refreshed && now->groups != NULL ? index_tags_set(ix, was->id, now->groups, false) : 0;
}

int index_withdraw(struct index *ix, const struct entry *was)
{
	assert(ix->who != NULL);
	sqlite3_stmt *st = ix->statements[WITHDRAW];
	sqlite3_bind_int64(st, 1, was->id);
	sqlite3_bind_int64(st, 2, was->fetched_at);
	sqlite3_bind_int64(st, 3, was->fresh_until);
	sqlite3_bind_int64(st, 4, was->stale_until);
	sqlite3_bind_int(st, 5, POLICY_STORING_WITHDRAWN);
	return index_run(ix, WITHDRAW, "ending the stale use of a row");
}

int index_invalidate(struct index *ix, const char *url)
{
	assert(ix->who != NULL);
	index_bind_text(ix->statements[INVALIDATE], 1, url);
	return index_run(ix, INVALIDATE, "invalidating a URL") < 0 ? -1 : index_invalidate_parts(ix, url);
}

int index_drop(struct index *ix, int64_t id, const char *body_file)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[DROP], 1, id);
	index_bind_text(ix->statements[DROP], 2, body_file);
	return index_run(ix, DROP, "dropping a row without its body");
}

int index_used(struct index *ix, int64_t id, int64_t hits, int64_t used_at)
{
	assert(ix->who != NULL);
	if (id < 0) { /* a part (store_used_part) */
		sqlite3_bind_int64(ix->statements[PART_USED], 1, -id);
		sqlite3_bind_int64(ix->statements[PART_USED], 2, used_at);
		return index_run(ix, PART_USED, "noting the use of a part");
	}
	sqlite3_bind_int64(ix->statements[USED], 1, id);
	sqlite3_bind_int64(ix->statements[USED], 2, hits);
	sqlite3_bind_int64(ix->statements[USED], 3, used_at);
	return index_run(ix, USED, "counting hits");
}
