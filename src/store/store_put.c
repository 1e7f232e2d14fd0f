/*
 * Invalidation must hold from the moment store_invalidate() returns, but the writer may have to wait for another
 * process's long transaction. So the URL is a tombstone until its rows are deleted: look-ups here find nothing. `bumps`
 * is a part of every edit counter that this process hands out. It changes, so responses held in memory are confirmed
 * before their next use. The order matters and is noted where it does.
 */
#include "store/store_put.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/groups.h"
#include "index/entry_read.h"
#include "index/entry_write.h"
#include "index/part_write.h"
#include "index/purges.h"
#include "index/transaction.h"
#include "store/maintenance_state.h"
#include "store/quota.h"
#include "store/store_struct.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Sets the body of the entry. */
static int name_body(struct entry *e, const struct body *body)
{
	const char *file = body != NULL ? body_file(body) : NULL;
	free(e->body_file);
	e->body_file = file != NULL ? strdup(file) : NULL;
	e->body_bytes = file != NULL ? body_bytes(body) : 0;
	e->has_sha256 = body != NULL;
	if (body != NULL)
		memcpy(e->sha256, body_sha256(body), sizeof e->sha256);
	return file != NULL && e->body_file == NULL ? -1 : 0;
}

/* Nothing is written where nothing may be stored: body/ may be another disk's mount point now (invariant 3). */
static bool put_prepare(struct writer_op *op)
{
	struct store_put *put = OF(struct store_put, op, op);
	if (maintenance_forbidden(put->store->maintenance) != NULL) {
		put->outcome = STORE_PUT_STOPPED;
		return true;
	}
	enum store_written written = put->write(put);
	put->written = written == STORE_WRITTEN;
	put->outcome = put->written ? STORE_PUT_TROUBLE : STORE_PUT_UNWRITTEN;
	return written != STORE_WRITE_LATER;
}

/* Is the original of a copy still there, with the body that was compressed? */
static enum index_stored still_there(struct index *ix, const struct entry *original)
{
	enum index_result found = index_still(ix, original->id, original->body_file);
	return found == INDEX_FOUND ? INDEX_STORED : found == INDEX_ABSENT ? INDEX_PURGED : INDEX_UNSTORED;
}

static int put_run(struct writer_op *op, struct index *ix)
{
	struct store_put *put = OF(struct store_put, op, op);
	struct store *s = put->store;
	if (!put->written)
		return 0; /* the outcome says why */
	put->outcome = STORE_PUT_TROUBLE;
	if (maintenance_forbidden(s->maintenance) != NULL) {
		put->outcome = STORE_PUT_STOPPED;
		return 0;
	}
	if (name_body(put->entry, put->body) < 0)
		return -1;
	int64_t size_bytes = maintenance_size_bytes(s->maintenance);
	if (size_bytes > 0 && put->entry->body_bytes > size_bytes) {
		log_trouble(
		    "size", "%s: larger than --size allows the whole cache to be, so not stored", put->entry->url);
		return -1;
	}
	if (index_purged(ix, put->entry, put->purge_id)) {
		put->outcome = STORE_PUT_PURGED;
		return 0;
	}
	enum index_stored stored = put->replaces != NULL ? index_replaceable(ix, put->replaces) : INDEX_STORED;
	if (put->of != NULL)
		stored = index_joinable(ix, put->entry, put->of);
	else if (put->replaces == NULL) /* the row that will be replaced must not be evicted for its replacement */
		quota_make_room(s->maintenance, ix, put->entry->body_bytes);
	if (put->encodes != NULL)
		stored = still_there(ix, put->encodes);
	if (stored == INDEX_STORED)
		stored = put->place != NULL ? index_put_part(ix, put->entry, put->place) : index_put(ix, put->entry);
	index_parts_free(&put->covered); /* of an attempt that was rolled back */
	switch (stored) {
	case INDEX_STORED:
		if (put->place != NULL && put->place->whole_bytes > 0)
			index_find_covered(ix, put->entry, &put->covered);
		/* The counter as it was before this transaction. If anything else in it counts, the entry is confirmed
		 * before its next use. */
		put->entry->edits = index_begun_edits(ix) + atomic_load(&s->bumps);
		put->outcome = STORE_PUT_DONE;
		return 0;
	case INDEX_PURGED:
		put->outcome = STORE_PUT_PURGED;
		return 0;
	case INDEX_CHANGED:
		put->outcome = STORE_PUT_CHANGED;
		return 0;
	case INDEX_UNSTORED:
		break;
	}
	return -1;
}

static bool is_invalidated(struct store *s, const struct entry *e)
{
	struct buf groups;
	buf_init(&groups, BUF_PAGE);
	bool is = tombstones_has(s->tombstones, e->url, &groups) || groups_meet(e->groups, buf_str(&groups));
	buf_fini(&groups);
	return is;
}

static void put_done(struct writer_op *op, bool committed)
{
	struct store_put *put = OF(struct store_put, op, op);
	struct store *s = put->store;
	bool over = committed || put->outcome == STORE_PUT_UNWRITTEN;
	enum store_put_outcome outcome = over ? (enum store_put_outcome)put->outcome : STORE_PUT_TROUBLE;
	if (outcome == STORE_PUT_TROUBLE) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("unstored", "%s: responses are not stored: the index cannot be written now", s->dir);
		maintenance_failed(s->maintenance);
	} else if (outcome == STORE_PUT_DONE) {
		if (put->entry->body_file != NULL)
			body_set_owned(put->body);
		if (is_invalidated(s, put->entry))
			put->entry->edits = -1; /* its invalidation is queued already: the entry must never be used from
						   memory */
		quota_stored(s->maintenance, put->entry->body_bytes);
	}
	put->done(put, outcome);
}

void store_put(struct store *s, struct store_put *put)
{
	put->store = s;
	put->outcome = STORE_PUT_TROUBLE;
	put->written = put->write == NULL;
	put->op = (struct writer_op){.prepare = put->write != NULL ? put_prepare : NULL,
	    .run = put_run,
	    .done = put_done,
	    .has_file = put->body != NULL};
	writer_queue(s->writer, &put->op, true);
}

static int refresh_run(struct writer_op *op, struct index *ix)
{
	const struct store_refresh *r = OF(struct store_refresh, op, op);
	return r->now != NULL ? index_refresh(ix, r->was, r->now) : index_withdraw(ix, r->was);
}

static void refresh_done(struct writer_op *op, bool committed)
{
	(void)committed;
	struct store_refresh *r = OF(struct store_refresh, op, op);
	r->done(r);
}

void store_refresh(struct store *s, struct store_refresh *r)
{
	r->op = (struct writer_op){.run = refresh_run, .done = refresh_done};
	writer_queue(s->writer, &r->op, true);
}

/* Called after the tombstone is there; see store_find(). */
static void bump(void *ctx)
{
	struct store *s = ctx;
	atomic_fetch_add(&s->bumps, 1);
}

void store_invalidate(struct store *s, const char *url)
{
	tombstones_add(s->tombstones, url, bump, s);
}

void store_invalidate_groups(struct store *s, struct span origin, const char *groups)
{
	tombstones_add_groups(s->tombstones, origin, groups, bump, s);
}
