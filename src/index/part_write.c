#include "index/part_write.h"

#include "http/content_coding.h"
#include "http/message.h"
#include "http/stored_fields.h"
#include "index/connection.h"
#include "index/part_read.h"
#include "index/stored.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 64 /* of one URL; a reader of scattered ranges must not fill the index */

static bool is_variant(const void *ctx, const char *vary)
{
	return strcmp(ctx, vary) == 0;
}

void index_find_covered(struct index *ix, const struct entry *e, struct index_parts *p)
{
	enum index_result found = index_find_parts(ix, e->url, is_variant, e->vary, p);
	if (found == INDEX_FOUND && (p->whole_bytes < 0 || index_parts_cover(p, 0) < p->whole_bytes))
		index_parts_free(p);
}

enum index_stored index_joinable(struct index *ix, const struct entry *e, const struct index_parts *p)
{
	for (size_t i = 0; i < p->count; i++) {
		sqlite3_bind_int64(ix->statements[PART_STILL], 1, p->parts[i].id);
		index_bind_text(ix->statements[PART_STILL], 2, p->parts[i].body_file);
		enum index_result still = index_step(ix, PART_STILL, "looking for a part");
		index_reset(ix, PART_STILL);
		if (still != INDEX_FOUND)
			return still == INDEX_ABSENT ? INDEX_PURGED : INDEX_UNSTORED;
	}
	index_bind_text(ix->statements[HAS_NEWER], 1, e->url);
	index_bind_text(ix->statements[HAS_NEWER], 2, e->vary);
	sqlite3_bind_int64(ix->statements[HAS_NEWER], 3, e->fetched_at);
	enum index_result newer = index_step(ix, HAS_NEWER, "looking for a newer row");
	index_reset(ix, HAS_NEWER);
	return newer == INDEX_ABSENT ? INDEX_STORED : newer == INDEX_FOUND ? INDEX_CHANGED : INDEX_UNSTORED;
}

/* Binds url and vary. */
static sqlite3_stmt *of_response(struct index *ix, enum statement s, const struct entry *e)
{
	index_bind_text(ix->statements[s], 1, e->url);
	index_bind_text(ix->statements[s], 2, e->vary);
	return ix->statements[s];
}

/* Have the stored ranges the same content codings? Yes, too, where there are none. */
static bool is_in_their_coding(struct index *ix, const struct entry *e)
{
	struct head stored, changed;
	sqlite3_stmt *st = of_response(ix, PART_HEADERS, e);
	message_init(&stored);
	message_init(&changed);
	bool same =
	    index_step(ix, PART_HEADERS, "looking for parts") != INDEX_FOUND ||
	    (message_parse_fields(&stored, span_of((const char *)sqlite3_column_text(st, 0))) == 0 &&
		message_parse_fields(&changed, span_of(e->headers)) == 0 && content_coding_is_same(&stored, &changed));
	index_reset(ix, PART_HEADERS);
	message_fini(&changed);
	message_fini(&stored);
	return same;
}

/* RFC 9111 3.4: ranges are joined by a strong validator only, and never across content codings. */
static int drop_others(struct index *ix, const struct entry *e, const struct part_place *place)
{
	bool joined = place->joined != PART_ALONE && is_in_their_coding(ix, e);
	sqlite3_stmt *st = of_response(ix, PARTS_DROP_OTHERS, e);
	index_bind_text(st, 3, e->etag);
	index_bind_text(st, 4, e->last_modified);
	sqlite3_bind_int(st, 5, joined ? (int)place->joined : PART_ALONE);
	if (place->whole_bytes >= 0)
		sqlite3_bind_int64(st, 6, place->whole_bytes);
	return index_run(ix, PARTS_DROP_OTHERS, "dropping parts of another response");
}

/* The fields of all ranges are those of the stored ones, updated by those of the new one (RFC 9111 3.4, 3.2). */
static int update_fields(struct index *ix, const struct entry *e, char **headers)
{
	struct head stored, changed;
	struct buf text;
	sqlite3_stmt *st = of_response(ix, PART_HEADERS, e);
	enum index_result found = index_step(ix, PART_HEADERS, "looking for parts");
	message_init(&stored);
	message_init(&changed);
	buf_init(&text, BUF_HEAD);
	int rc = found == INDEX_BROKEN ? -1 : 0;
	if (found == INDEX_FOUND &&
	    message_parse_fields(&stored, span_of((const char *)sqlite3_column_text(st, 0))) == 0 &&
	    message_parse_fields(&changed, span_of(e->headers)) == 0 &&
	    stored_fields_update(&stored, &changed, true, &text) == 0) {
		*headers = strdup(buf_str(&text));
		rc = *headers != NULL ? 0 : -1;
	}
	index_reset(ix, PART_HEADERS);
	buf_fini(&text);
	message_fini(&changed);
	message_fini(&stored);
	return rc;
}

/* The fields and times of the latest response hold for all ranges that it may be joined with (RFC 9111 3.4). */
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
	if (index_bind_normal(st, 16, e->url) < 0)
		return -1;
	return index_run(ix, PART_INSERT, "storing a part");
}

static enum index_stored put_part(struct index *ix, const struct entry *e, const struct part_place *place)
{
	int64_t end = place->first_byte + e->body_bytes;
	if (freshen_parts(ix, e) < 0)
		return INDEX_UNSTORED;
	sqlite3_stmt *st = of_response(ix, PART_COVERED, e);
	sqlite3_bind_int64(st, 3, place->first_byte);
	sqlite3_bind_int64(st, 4, end);
	enum index_result covered = index_step(ix, PART_COVERED, "looking for a part");
	index_reset(ix, PART_COVERED);
	if (covered != INDEX_ABSENT)
		return covered == INDEX_FOUND ? INDEX_PURGED : INDEX_UNSTORED;
	st = of_response(ix, PARTS_DROP_WITHIN, e);
	sqlite3_bind_int64(st, 3, place->first_byte);
	sqlite3_bind_int64(st, 4, end);
	if (index_run(ix, PARTS_DROP_WITHIN, "dropping parts within a larger one") < 0 || insert_part(ix, e, place) < 0)
		return INDEX_UNSTORED;
	index_bind_text(ix->statements[PARTS_TRIM], 1, e->url);
	sqlite3_bind_int(ix->statements[PARTS_TRIM], 2, PARTS_MAX);
	index_run(ix, PARTS_TRIM, "trimming parts"); /* after an error there is one part too many */
	return INDEX_STORED;
}

enum index_stored index_put_part(struct index *ix, struct entry *e, const struct part_place *place)
{
	assert(ix->who != NULL);
	char *headers = NULL;
	if (e->body_file == NULL || drop_others(ix, e, place) < 0 || update_fields(ix, e, &headers) < 0)
		return INDEX_UNSTORED;
	struct entry with = *e; /* the entry's own fields must not change: other threads may read them */
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

int index_invalidate_parts(struct index *ix, const char *url)
{
	assert(ix->who != NULL);
	if (!ix->parts)
		return 0;
	index_bind_text(ix->statements[PARTS_INVALIDATE], 1, url);
	return index_run(ix, PARTS_INVALIDATE, "invalidating the parts of a URL");
}
