/*
 * From a head to a row. landing_judge() runs once, at the head, on the engine's thread: policy's verdict, the entry to be, or the freshened
 * row of a 304. Then the disk thread follows the arriving body (landing_step), seals it, and gives entry and body to the writer;
 * landing_over() is the end, on the writer's thread (invariant 1: the row last).
 */
#include "fetch/flight_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/key.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the verdict --- */

static char *copy_field(const struct head *h, const char *name)
{
	struct span v = message_find(h, name);
	return v.at != NULL ? strndup(v.at, v.len) : NULL;
}

/* Fills the columns that come from the response fields and the verdict. 0, or -1: memory. */
static int describe(struct entry *e, const struct flight *f, const char *headers, const struct head *fields, int64_t now)
{
	const struct policy_storing *v = &f->verdict;
	free(e->headers);
	free(e->etag);
	free(e->last_modified);
	free(e->reason);
	e->headers = strdup(headers);
	e->etag = copy_field(fields, "ETag");
	e->last_modified = copy_field(fields, "Last-Modified");
	e->reason = strdup(v->reason);
	e->fetched_at = now;
	e->initial_age_s = v->initial_age_s;
	e->fresh_until = now + v->fresh_for_s;
	e->stale_until = (v->fresh_for_s > 0 ? e->fresh_until : now) + v->stale_for_s;
	return e->headers != NULL && e->reason != NULL ? 0 : -1;
}

/* A 304 about the row we asked with: its stored fields updated (RFC 9111 4.3.4), judged anew as the 200 it stands for. */
static void judge_not_modified(struct flight *f, const struct head *response, int64_t now)
{
	struct head stored, updated;
	struct buf text;
	message_init(&stored);
	message_init(&updated);
	buf_init(&text, BUF_HEAD);
	struct entry *e = entry_copy(f->was);
	if (e == NULL || message_parse_fields(&stored, span_of(f->was->headers)) != 0 ||
	    !policy_freshens(response, &stored) || policy_update_fields(&stored, response, &text) != 0 ||
	    message_parse_fields(&updated, buf_span(&text)) != 0) {
		entry_free(e);
		goto out;
	}
	updated.status = f->was->status;
	struct policy_exchange x = {.request = &f->request, .response = &updated, .asked_at = f->asked_at,
	    .answered_at = now, .freshened_by = response};
	policy_judge_storing(&f->flights->config.policy, &x, &f->verdict);
	if (describe(e, f, buf_str(&text), &updated, now) != 0) {
		entry_free(e);
		goto out;
	}
	f->entry = e;
	f->refreshed = true;
	f->shareable = f->verdict.store && !f->verdict.reusable_only_validated;
	f->refreshing = f->verdict.store;
	if (!f->verdict.store)
		store_invalidate(f->flights->config.store, f->url);
out:
	buf_fini(&text);
	message_fini(&updated);
	message_fini(&stored);
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
	free(e->vary);
	e->vary = NULL;
	if (e->url == NULL || key_vary(response, &f->request, &vary) != 0 || (e->vary = buf_take(&vary)) == NULL ||
	    describe(e, f, buf_str(&f->head), response, now) != 0) {
		entry_free(e);
		e = NULL;
	}
	buf_fini(&vary);
	return e;
}

static void refuse(const struct flight *f, const char *reason, int64_t now)
{
	if (strcmp(f->method, "GET") != 0)
		return;
	stats_add(STATS_REFUSED, 1);
	store_refuse(f->flights->config.store, f->url, reason, f->status, now);
}

void landing_judge(struct flight *f, const struct head *response)
{
	int64_t now = flight_now();
	struct policy_exchange x = {
	    .request = &f->request, .response = response, .asked_at = f->asked_at, .answered_at = now};
	if (policy_stored_fields(response, now, &f->head) != 0)
		log_trouble("head", "%s: its head is too large to keep (it is answered without fields)", f->url);
	if (response->status == 304 && f->conditional && f->was != NULL) {
		judge_not_modified(f, response, now);
		if (f->refreshed)
			return;
	}
	policy_judge_storing(&f->flights->config.policy, &x, &f->verdict);
	int64_t most = f->flights->config.max_body;
	if (f->verdict.store && f->has_body) {
		f->verdict.store = false;
		snprintf(f->verdict.reason, sizeof f->verdict.reason, "the request had a body, which the cache key does not tell");
	}
	if (f->verdict.store && most > 0 && f->body_bytes > most) {
		f->verdict.store = false;
		snprintf(f->verdict.reason, sizeof f->verdict.reason, "larger than --max-body");
	}
	if (f->verdict.store)
		f->entry = make_entry(f, response, now);
	f->storing = f->entry != NULL;
	f->shareable = f->storing && !f->verdict.reusable_only_validated && f->verdict.fresh_for_s > 0;
	if (!f->storing)
		refuse(f, f->verdict.reason, now);
}

/* --- the way to the disk --- */

void landing_give_up(struct flight *f, const char *why)
{
	if (!f->storing)
		return;
	f->storing = false;
	f->shareable = false; /* what is no longer in memory or on disk cannot be read from the start */
	snprintf(f->verdict.reason, sizeof f->verdict.reason, "%s", why);
	refuse(f, why, flight_now());
	flight_unpause(f);
	flight_end_if_idle(f);
}

/* On the writer's thread, after the commit or in its stead. Drops the reference of the put or the refresh. */
static void landing_over(struct flight *f, bool owned)
{
	flights_close(f); /* first: who finds it not open any more must also find that something landed */
	pthread_mutex_lock(&f->lock);
	f->committed = owned;
	flight_enter(f, FLIGHT_OVER);
	pthread_mutex_unlock(&f->lock);
	flight_drop(f);
}

static void refresh_over(struct store_refresh *refresh)
{
	struct flight *f = (struct flight *)(void *)((char *)refresh - offsetof(struct flight, refresh));
	landing_over(f, false);
}

static void put_over(struct store_put *put, enum store_put_outcome outcome)
{
	if (outcome == STORE_PUT_DONE)
		stats_add(STATS_STORED, 1);
	landing_over((struct flight *)(void *)((char *)put - offsetof(struct flight, put)), outcome == STORE_PUT_DONE);
}

/* Writes what has arrived and is not on disk yet. The lock is let go around the disk. */
static void write_arrived(struct flight *f)
{
	struct piece *piece = NULL;
	struct span bytes;
	while (f->storing && (bytes = window_peek(&f->window, f->on_disk, &piece)).len > 0) {
		bool whole = f->state == FLIGHT_LANDED && f->on_disk == 0;
		struct body *body = f->body;
		pthread_mutex_unlock(&f->lock);
		if (body == NULL)
			body = body_begin(f->flights->config.store, whole);
		bool ok = body != NULL && body_write(body, bytes.at, bytes.len) == 0;
		piece_drop(piece);
		pthread_mutex_lock(&f->lock);
		f->body = body;
		if (!ok) {
			landing_give_up(f, "the cache's disk could not take it");
			return;
		}
		f->on_disk += (int64_t)bytes.len;
		window_forget(&f->window, f->on_disk - FLIGHT_KEEP);
		flight_unpause(f);
	}
}

/* The disk thread's part: as far as there is something to do. */
static void run_job(struct store_job *job)
{
	struct flight *f = (struct flight *)(void *)((char *)job - offsetof(struct flight, job));
	bool put = false, over = false;
	pthread_mutex_lock(&f->lock);
	write_arrived(f);
	if (f->storing && f->state == FLIGHT_LANDED) {
		if (f->forgotten)
			landing_give_up(f, "invalidated while it was fetched, RFC 9111 4.4");
		bool seal = f->storing;
		pthread_mutex_unlock(&f->lock);
		put = seal && (f->body == NULL || body_seal(f->body) == 0);
		pthread_mutex_lock(&f->lock);
		put = put && !f->forgotten; /* the body's file goes with the flight */
		if (!put)
			landing_give_up(f, "the cache's disk could not take it");
	}
	if (!put && f->state == FLIGHT_LANDED) {
		flight_enter(f, FLIGHT_OVER);
		over = true;
	}
	f->disk_busy = false;
	pthread_cond_broadcast(&f->news);
	pthread_mutex_unlock(&f->lock);
	if (put) { /* the job's reference becomes the put's */
		f->put = (struct store_put){
		    .entry = f->entry,
		    .body = f->body,
		    .replaces_id = f->was != NULL ? f->was->id : 0,
		    .done = put_over,
		};
		store_put(f->flights->config.store, &f->put);
		return;
	}
	if (over)
		flights_close(f);
	flight_drop(f);
}

void landing_refresh(struct flight *f)
{
	f->refs++;
	f->refresh = (struct store_refresh){.was = f->was, .now = f->entry, .done = refresh_over};
	store_refresh(f->flights->config.store, &f->refresh);
}

void landing_step(struct flight *f)
{
	bool due = f->state == FLIGHT_LANDED || f->window.end - f->on_disk >= FLIGHT_SMALL;
	if (!f->storing || f->disk_busy || !due)
		return;
	f->disk_busy = true;
	f->refs++;
	f->job.run = run_job;
	store_on_disk(f->flights->config.store, &f->job);
}
