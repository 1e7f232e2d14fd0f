/*
 * From a head to a row. flight_store_judge() runs once, at the head, on the engine's thread: policy's verdict, the
 * entry to be, or the freshened row of a 304. Then the disk thread follows the arriving body (flight_store_step), seals
 * it, and gives entry and body to the writer; flight_store_over() is the end, on the writer's thread (invariant 1: the
 * row last).
 */
#include "fetch/flight_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/field.h"
#include "http/freshening.h"
#include "http/key.h"
#include "http/policy_storing.h"
#include "http/range.h"
#include "http/stored_fields.h"
#include "http/vary.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	RESERVE_READ = 256 << 10,
	RESERVE_TURN = 16 << 20 /* bytes copied from stored parts before others have their turn */
};

/* --- the verdict --- */

static char *copy_field(const struct head *h, const char *name)
{
	struct span v = message_find(h, name);
	return v.at != NULL ? strndup(v.at, v.len) : NULL;
}

/* Fills the columns that come from the response fields and the verdict. 0, or -1: memory. */
static int describe(struct entry *e, const struct flight *f, const struct head *fields, int64_t now)
{
	const struct policy_storing *v = &f->verdict;
	struct buf kept;
	buf_init(&kept, BUF_HEAD);
	if (stored_fields_kept(&f->flights->config.policy, &f->decision, fields, &kept) != 0) {
		buf_fini(&kept);
		return -1;
	}
	free(e->headers);
	free(e->etag);
	free(e->last_modified);
	free(e->reason);
	e->headers = strdup(buf_str(&kept));
	buf_fini(&kept);
	e->etag = copy_field(fields, "ETag");
	e->last_modified = copy_field(fields, "Last-Modified");
	e->reason = strdup(v->reason);
	e->rule_id = v->rule_id;
	e->fetched_at = now;
	e->initial_age_s = v->initial_age_s;
	e->fresh_until = now + v->fresh_for_s;
	e->stale_until = (v->fresh_for_s > 0 ? e->fresh_until : now) + v->stale_for_s;
	return e->headers != NULL && e->reason != NULL ? 0 : -1;
}

/* The row that a 304 or a HEAD speaks of. */
static const struct entry *base_of(const struct flight *f)
{
	return f->chosen != NULL ? f->chosen : f->was;
}

/* Validators of several variants went along: the 304's tag names the one to use (RFC 9111 4.3.3). */
static void choose_variant(struct flight *f, const struct head *response)
{
	struct span tag = message_find(response, "ETag");
	for (size_t i = 0; i < f->variants.count && f->chosen == NULL; i++) {
		struct entry *e = f->variants.entries[i];
		if (e->etag == NULL || !field_tags_match_weak(tag, span_of(e->etag)))
			continue;
		f->chosen = e;
		f->variants.entries[i] = f->variants.entries[--f->variants.count];
	}
}

/* What varies on other fields than before cannot be the same row (RFC 9111 4.1). */
static bool selects_alike(const struct head *request, const struct head *stored, const struct head *updated)
{
	struct buf before, after;
	buf_init(&before, BUF_VARY);
	buf_init(&after, BUF_VARY);
	bool alike = vary_text(stored, request, &before) == 0 && vary_text(updated, request, &after) == 0 &&
		     strcmp(buf_str(&before), buf_str(&after)) == 0;
	buf_fini(&before);
	buf_fini(&after);
	return alike;
}

/* Would nobody's request let it be stored? What one request forbids says nothing of what is stored for others (RFC
 * 9111 5.2.1.5). */
static bool is_forbidden(const struct flight *f, const struct head *response, int64_t now)
{
	struct policy_storing verdict;
	struct head plain = {.method = span_of("GET")};
	struct policy_exchange x = {
	    .request = &plain, .response = response, .asked_at = now, .answered_at = now, .decision = &f->decision};
	policy_storing_judge(&f->flights->config.policy, &x, &verdict);
	return !verdict.store;
}

/* A 304 about the row we asked with, or a 200 to HEAD that agrees with it: its stored fields updated (RFC
 * 9111 4.3.4, 4.3.5), judged anew as the answer to GET it stands for. */
static void judge_freshening(struct flight *f, const struct head *response, int64_t now)
{
	struct head stored, updated, changed, as_get = f->request; /* as_get owns nothing */
	struct buf text;
	as_get.method = span_of("GET");
	message_init(&changed);
	message_init(&stored);
	message_init(&updated);
	buf_init(&text, BUF_HEAD);
	const struct entry *base = base_of(f);
	struct entry *e = entry_copy(base);
	bool ours = e != NULL && message_parse_fields(&stored, span_of(base->headers)) == 0 &&
		    message_parse_fields(&changed, buf_span(&f->head)) == 0 && /* with a Date of ours where theirs is
										  none (RFC 9110 6.6.1) */
		    (response->status == 304 ? freshening_applies(response, &stored)
					     : freshening_head_applies(response, &stored, base->body_bytes));
	bool cookies = policy_keeps_cookies(&f->flights->config.policy, &f->decision);
	if (!ours || stored_fields_update(&stored, &changed, cookies, &text) != 0 ||
	    message_parse_fields(&updated, buf_span(&text)) != 0 || !selects_alike(&as_get, &stored, &updated)) {
		entry_free(e);
		goto out;
	}
	updated.status = base->status;
	struct policy_exchange x = {.request = &as_get,
	    .response = &updated,
	    .asked_at = flight_asked_at(f, now),
	    .answered_at = now,
	    .freshened_by = response,
	    .decision = &f->decision};
	policy_storing_judge(&f->flights->config.policy, &x, &f->verdict);
	if (describe(e, f, &updated, now) != 0) {
		entry_free(e);
		goto out;
	}
	f->entry = e;
	f->refreshed = true;
	f->shareable = f->verdict.store && !f->verdict.reusable_only_validated;
	f->refreshing = f->verdict.store;
	if (!f->verdict.store && is_forbidden(f, &updated, now))
		store_invalidate(f->flights->config.store, f->url);
out:
	message_fini(&changed);
	buf_fini(&text);
	message_fini(&updated);
	message_fini(&stored);
}

/* HEAD has told that GET would now bring something else: the stored response is stale from here on (RFC 9111 4.3.5). */
static void outdate(struct flight *f, int64_t now)
{
	f->entry = entry_copy(f->was);
	if (f->entry == NULL)
		return;
	if (f->entry->fresh_until > now)
		f->entry->fresh_until = now;
	f->refreshing = true;
}

static struct entry *make_entry(const struct flight *f, const struct head *response, int64_t now)
{
	struct buf vary;
	struct entry *e = entry_new();
	buf_init(&vary, BUF_VARY);
	if (e == NULL)
		return NULL;
	e->status = response->status;
	e->url = strdup(f->url);
	e->tag = f->decision.tag != NULL ? strdup(f->decision.tag) : NULL;
	free(e->vary);
	e->vary = NULL;
	if (e->url == NULL || vary_text(response, &f->request, &vary) != 0 || (e->vary = buf_take(&vary)) == NULL ||
	    describe(e, f, response, now) != 0) {
		entry_free(e);
		e = NULL;
	}
	buf_fini(&vary);
	return e;
}

/* RFC 9110 9.3.3: the answer to POST is what GET would bring when it says so itself. */
static bool represents_target(const struct flight *f, const struct head *response)
{
	struct span value = message_find(response, "Content-Location");
	char *url = strcmp(f->method, "POST") == 0 && value.at != NULL ? key_resolve(f->url, value) : NULL;
	bool same = url != NULL && strcmp(url, f->url) == 0;
	free(url);
	return same;
}

/* A 206 to a client's own Range: one range, which says where it belongs, may be kept as a part (RFC 9111 3.3). */
static bool take_place(struct flight *f, const struct head *response)
{
	struct range range;
	int64_t whole;
	if (response->status != 206 || strcmp(f->method, "GET") != 0 ||
	    range_of_response(response, &range, &whole) != 0)
		return false;
	f->place = (struct part_place){.first_byte = range.first, .whole_bytes = whole};
	f->part_bytes = range.last + 1 - range.first;
	return true;
}

static void note_joint(struct flight *f, const struct head *fields)
{
	bool is_tag;
	struct span validator = conditions_strong_validator(fields, flight_now(), &is_tag);
	int64_t whole = f->is_part ? f->place.whole_bytes : f->body_bytes;
	bool measured = whole >= 0 || !content_coding_is_present(fields); /* see flight_range_note_validator() */
	f->place.joined = validator.len == 0 || !measured ? PART_ALONE : is_tag ? PART_BY_ETAG : PART_BY_MODIFIED;
}

/* A part's place stands in columns. */
static int drop_content_range(struct entry *e)
{
	struct buf kept;
	struct span rest = span_of(e->headers), line;
	buf_init(&kept, BUF_HEAD);
	while (span_next_line(&rest, &line)) {
		if (span_starts_nocase(line, "Content-Range:"))
			continue;
		buf_addspan(&kept, line);
		buf_addc(&kept, '\n');
	}
	free(e->headers);
	e->headers = strdup(buf_str(&kept));
	buf_fini(&kept);
	return e->headers != NULL ? 0 : -1;
}

static void refuse(const struct flight *f, const char *reason, int64_t now)
{
	if (strcmp(f->method, "GET") != 0)
		return;
	stats_add(STATS_REFUSED, 1);
	store_refuse(f->flights->config.store, f->url, reason, f->status, now);
}

/* What it replaces makes room for it. */
static int64_t replaced_bytes(const struct flight *f)
{
	return f->was != NULL ? f->was->body_bytes : 0;
}

/* Room for the body, where its length is known; else it is taken as it grows (flight_store_grow). False: there is none,
 * and the verdict says so. */
static bool take_room(struct flight *f)
{
	int64_t n = (f->is_part ? f->part_bytes : f->body_bytes) - replaced_bytes(f);
	const char *why = n > 0 ? store_reserve(f->flights->config.store, n) : NULL;
	if (why == NULL) {
		f->reserved = n > 0 ? n : 0;
		return true;
	}
	f->verdict.store = false;
	snprintf(f->verdict.reason, sizeof f->verdict.reason, "%s", why);
	return false;
}

void flight_store_judge(struct flight *f, const struct head *response, const struct head *came)
{
	int64_t now = flight_now();
	bool head = strcmp(f->method, "HEAD") == 0;
	struct policy_exchange x = {.request = &f->request,
	    .response = response,
	    .asked_at = flight_asked_at(f, now),
	    .answered_at = now,
	    .freshened_by = came != response ? came : NULL,
	    .decision = &f->decision,
	    .represents_target = represents_target(f, response)};
	struct head kept;
	f->answered_at = now;
	f->aged = message_has(came, "Age");
	invalidation_by(f, response);
	if (stored_fields_make(response, now, &f->head) != 0)
		log_trouble("head", "%s: its head is too large to keep (it is answered without fields)", f->url);
	if (response->status == 304)
		choose_variant(f, response);
	if (base_of(f) != NULL && ((response->status == 304 && f->conditional) || (response->status == 200 && head))) {
		judge_freshening(f, response, now);
		if (f->refreshed)
			return;
	}
	if (f->was != NULL && head && response->status != 304 && response->status < 500)
		outdate(f, now);
	x.part = f->is_part = take_place(f, response);
	policy_storing_judge(&f->flights->config.policy, &x, &f->verdict);
	if (f->was != NULL && !f->has_body && policy_storing_withdraws(&f->flights->config.policy, &x, &f->verdict))
		invalidation_withdraw(f);
	int64_t most = f->flights->config.max_body;
	if (f->verdict.store && f->has_body && !x.represents_target) {
		f->verdict.store = false;
		snprintf(f->verdict.reason, sizeof f->verdict.reason,
		    "the request had a body, which the cache key does not tell");
	}
	if (f->verdict.store && most > 0 && f->body_bytes > most) {
		f->verdict.store = false;
		snprintf(f->verdict.reason, sizeof f->verdict.reason, "%s", f->flights->config.too_large);
	}
	message_init(&kept);
	if (f->verdict.store && message_parse_fields(&kept, buf_span(&f->head)) == 0) {
		kept.status = response->status;
		f->entry = make_entry(f, &kept, now);
		note_joint(f, &kept);
		if (f->entry != NULL && f->is_part && drop_content_range(f->entry) != 0) {
			entry_free(f->entry);
			f->entry = NULL;
		}
	}
	message_fini(&kept);
	f->storing = f->verdict.store && f->entry != NULL && take_room(f);
	f->shareable = f->storing && !f->is_part && !f->verdict.reusable_only_validated && f->verdict.fresh_for_s > 0;
	if (!f->storing)
		refuse(f, f->verdict.reason, now);
}

/* --- the way to the disk --- */

/* Keeps of its room what it has on the disk: that is gone when the flight is. */
static void give_room(struct flight *f, int64_t keep)
{
	if (f->reserved <= keep)
		return;
	store_release(f->flights->config.store, f->reserved - keep);
	f->reserved = keep;
}

void flight_store_fini(struct flight *f)
{
	give_room(f, 0);
}

void flight_store_grow(struct flight *f)
{
	int64_t more = f->received - replaced_bytes(f) - f->reserved;
	if (!f->storing || more <= 0)
		return;
	if (more < FLIGHT_ROOM && (f->body_bytes >= 0 || f->received > FLIGHT_SMALL)) /* most bodies of unknown length
											 are small */
		more = FLIGHT_ROOM;
	const char *why = store_reserve(f->flights->config.store, more);
	if (why == NULL)
		f->reserved += more;
	else if (f->body_bytes < 0 && store_short(f->flights->config.store))
		flight_store_give_up(f, "its length is unknown, and the disk has less free than --min-free leaves");
	else
		flight_store_give_up(f, why);
}

void flight_store_give_up(struct flight *f, const char *why)
{
	if (!f->storing)
		return;
	f->storing = false;
	f->shareable = false; /* what is no longer in memory or on disk cannot be read from the start */
	f->gave_up = why;
	give_room(f, f->on_disk);
	refuse(f, why, flight_now());
	flight_unpause(f);
	flight_end_if_idle(f);
}

/* On the writer's thread, after the commit or in its stead. Drops the reference of the put or the refresh. */
void flight_store_over(struct flight *f, bool owned)
{
	flight_table_close(f); /* first: who finds it not open any more must also find that something landed */
	pthread_mutex_lock(&f->lock);
	f->committed = owned;
	if (owned)
		give_room(f, 0); /* it counts as stored now */
	if (f->state == FLIGHT_LANDED)
		flight_enter(f, FLIGHT_OVER);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	flight_drop(f);
}

static void refresh_over(struct store_refresh *refresh)
{
	struct flight *f = (struct flight *)(void *)((char *)refresh - offsetof(struct flight, refresh));
	flight_store_over(f, false);
}

static void put_over(struct store_put *put, enum store_put_outcome outcome)
{
	struct flight *f = (struct flight *)(void *)((char *)put - offsetof(struct flight, put));
	if (outcome == STORE_PUT_DONE)
		stats_add(STATS_STORED, 1);
	if (outcome == STORE_PUT_PURGED && !f->is_part)
		refuse(f, "purged while it was fetched", flight_now());
	if (outcome == STORE_PUT_CHANGED && !f->is_part)
		refuse(f, "what is stored was given another lifetime while this was fetched", flight_now());
	if (outcome == STORE_PUT_STOPPED) {
		const char *why = store_stopped(f->flights->config.store);
		refuse(f, why != NULL ? why : "nothing was stored at that moment", flight_now());
	}
	if (outcome == STORE_PUT_DONE && put->covered.count > 0)
		joins_add(f->flights->joins, &put->covered, &f->decision, f->purge_id);
	index_parts_free(&put->covered);
	flight_store_over(f, outcome == STORE_PUT_DONE);
}

/* Nothing more comes from the origin: all that is stored of it is here. */
static bool is_complete(const struct flight *f)
{
	return f->state == FLIGHT_LANDED || f->state == FLIGHT_DEAD;
}

/* Up to a buffer of what stands in the reserve behind what is on disk; {NULL, 0}: nothing, or it must wait for the hole
 * before it. *failed: it cannot be read. The lock is let go around the disk. */
static struct span read_reserve(struct flight *f, char buffer[RESERVE_READ], bool *failed)
{
	const struct partial_body_segment *r = f->partial != NULL ? partial_body_find(f->partial, f->on_disk) : NULL;
	if (r == NULL)
		return span_make(NULL, 0);
	int64_t skip = f->on_disk - r->at;
	size_t n = r->n - skip < RESERVE_READ ? (size_t)(r->n - skip) : RESERVE_READ;
	pthread_mutex_unlock(&f->lock);
	ssize_t got = pread(r->fd, buffer, n, r->skip + skip);
	pthread_mutex_lock(&f->lock);
	*failed = got != (ssize_t)n;
	return span_make(buffer, *failed ? 0 : n);
}

/* Writes what has arrived, or was stored before as parts, and is not in the body's file yet. The lock is let go around
 * the disk. True when it stopped for others' sake and there is more: a large part must not keep the disk thread from
 * everybody else's bodies. */
static bool write_arrived(struct flight *f)
{
	char buffer[RESERVE_READ];
	int64_t copied = 0;
	while (f->storing) {
		struct segment *piece = NULL;
		bool failed = false;
		struct span bytes = stream_buffer_peek(&f->buffer, f->on_disk, &piece);
		bool from_reserve = bytes.len == 0;
		if (from_reserve)
			bytes = read_reserve(f, buffer, &failed);
		if (bytes.len == 0 && !failed)
			return false;
		bool in_one_go = is_complete(f) && f->on_disk == 0 && f->partial == NULL;
		struct body *body = f->body;
		pthread_mutex_unlock(&f->lock);
		if (body == NULL && !failed)
			body = body_begin(f->flights->config.store, in_one_go);
		bool ok = !failed && body != NULL && body_write(body, bytes.at, bytes.len) == 0;
		segment_drop(piece);
		pthread_mutex_lock(&f->lock);
		f->body = body;
		if (!ok) {
			flight_store_give_up(f, "the cache's disk could not take it");
			return false;
		}
		f->on_disk += (int64_t)bytes.len;
		stream_buffer_forget(&f->buffer, f->on_disk - FLIGHT_KEEP);
		flight_unpause(f);
		if (from_reserve && (copied += (int64_t)bytes.len) >= RESERVE_TURN)
			return true;
	}
	return false;
}

/* Is what has come what its head said (a part that lies about its place fits nowhere)? */
static bool is_as_told(const struct flight *f)
{
	if (f->is_part && f->state == FLIGHT_LANDED)
		return f->on_disk == f->part_bytes;
	return f->body_bytes < 0 || f->is_part || f->on_disk == f->body_bytes;
}

/* The disk has it, or will never have it. */
static void no_longer_behind(struct flight *f)
{
	atomic_fetch_sub(&f->flights->behind, f->behind);
	f->behind = 0;
}

/* The disk thread's part: as far as there is something to do. */
static void run_job(struct disk_job *job)
{
	struct flight *f = (struct flight *)(void *)((char *)job - offsetof(struct flight, job));
	bool put = false, over = false;
	pthread_mutex_lock(&f->lock);
	if (write_arrived(f)) {
		pthread_mutex_unlock(&f->lock);
		store_on_disk(f->flights->config.store, job);
		return;
	}
	no_longer_behind(f);
	if (f->storing && is_complete(f)) {
		if (f->forgotten)
			flight_store_give_up(f, "invalidated while it was fetched, RFC 9111 4.4");
		else if (!is_as_told(f))
			flight_store_give_up(f, "its length is not what its head said, RFC 9110 14.4");
		bool seal = f->storing;
		pthread_mutex_unlock(&f->lock);
		bool beside = seal && flight_table_is_beside(f);
		put = seal && !beside && (f->body == NULL || body_seal(f->body) == 0);
		pthread_mutex_lock(&f->lock);
		put = put && !f->forgotten; /* the body's file goes with the flight */
		if (beside && f->storing) { /* the body is here all the same, for all who have a reader */
			f->storing = false;
			f->gave_up = FLIGHT_BESIDE;
		} else if (!put) {
			flight_store_give_up(f, "the cache's disk could not take it");
		}
	}
	if (!put && is_complete(f)) {
		if (f->state == FLIGHT_LANDED)
			flight_enter(f, FLIGHT_OVER);
		over = true;
	}
	f->disk_busy = false;
	pthread_cond_broadcast(&f->changed);
	if (put) { /* the job's reference becomes the put's */
		f->put = (struct store_put){
		    .entry = f->entry,
		    .body = f->body,
		    .place = f->is_part ? &f->place : NULL,
		    .purge_id = f->purge_id,
		    .replaces = f->was,
		    .done = put_over,
		};
		flight_forget_read(f);
		/* Under the lock: flight_table_forget() comes before, or its store_invalidate() is queued behind. */
		store_put(f->flights->config.store, &f->put);
		pthread_mutex_unlock(&f->lock);
		return;
	}
	pthread_mutex_unlock(&f->lock);
	if (over)
		flight_table_close(f);
	flight_drop(f);
}

void flight_store_refresh(struct flight *f)
{
	f->refs++;
	f->refresh = (struct store_refresh){.was = base_of(f), .now = f->entry, .done = refresh_over};
	store_refresh(f->flights->config.store, &f->refresh);
}

void flight_store_wait_for_disk(struct flight *f)
{
	int64_t bytes = f->received + FLIGHT_ITSELF;
	if (atomic_fetch_add(&f->flights->behind, bytes) + bytes <= FLIGHT_BEHIND) {
		f->behind = bytes;
		return;
	}
	atomic_fetch_sub(&f->flights->behind, bytes);
	flight_store_give_up(f, "the cache's disk is too slow for all that comes");
}

bool flight_store_salvage(struct flight *f)
{
	int64_t from = f->partial != NULL ? f->partial->hole_first : 0;
	bool whole = !f->is_part && f->entry != NULL && f->entry->status == 200 && strcmp(f->method, "GET") == 0;
	if (!f->storing || f->forgotten || f->place.joined == PART_ALONE || (!f->is_part && !whole) ||
	    f->received <= from)
		return false;
	if (whole)
		f->place = (struct part_place){.whole_bytes = f->body_bytes, .joined = f->place.joined};
	f->is_part = true;
	return true;
}

void flight_store_step(struct flight *f)
{
	bool due = is_complete(f) || f->buffer.end - f->on_disk > FLIGHT_SMALL;
	if (!f->storing || f->disk_busy || !due)
		return;
	f->disk_busy = true;
	f->refs++;
	f->job.run = run_job;
	store_on_disk(f->flights->config.store, &f->job);
}
