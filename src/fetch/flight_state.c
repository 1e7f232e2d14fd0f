/*
 * How a flight is made, kept alive and freed, and the few changes that every other flight file needs. The states, the
 * locks and the owner of each member are described in flight_state.h.
 */
#include "fetch/flight_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"
#include "fetch/flight_table.h"
#include "fetch/flight_upload.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

int64_t flight_state_requested_at(const struct flight *f, int64_t now)
{
	return now - (clock_ms() - f->started_ms) / 1000;
}

static const char *const names[] = {
    [FLIGHT_WAITING] = "waiting",
    [FLIGHT_STREAMING] = "streaming",
    [FLIGHT_COMPLETE] = "complete",
    [FLIGHT_ENDED] = "ended",
    [FLIGHT_ABORTED] = "aborted",
};

/* The edges of the picture in flight_state.h: a bit for each state that may follow. */
static const unsigned edges[] = {
    [FLIGHT_WAITING] = 1u << FLIGHT_STREAMING | 1u << FLIGHT_ABORTED,
    [FLIGHT_STREAMING] = 1u << FLIGHT_COMPLETE | 1u << FLIGHT_ENDED | 1u << FLIGHT_ABORTED,
    [FLIGHT_COMPLETE] = 1u << FLIGHT_ENDED,
    [FLIGHT_ENDED] = 0,
    [FLIGHT_ABORTED] = 0,
};

static enum stats_counter gauge_of(enum flight_state state)
{
	return (enum stats_counter)(STATS_FLIGHTS_WAITING + state);
}

void flight_state_begin(const struct flight *f)
{
	stats_add(gauge_of(f->state), 1);
	log_detail("flight %p: %s: %s %s", (const void *)f, names[f->state], f->method, f->fetch_url);
}

void flight_state_enter(struct flight *f, enum flight_state to)
{
	assert(edges[f->state] & 1u << to);
	stats_add(gauge_of(f->state), -1);
	stats_add(gauge_of(to), 1);
	log_detail("flight %p: %s -> %s: status %d, %lld bytes%s%s", (const void *)f, names[f->state], names[to],
	    f->status, (long long)f->received, f->message != NULL ? ", " : "", f->message != NULL ? f->message : "");
	f->state = to;
}

/* --- flow control --- */

void flight_state_unpause(struct flight *f)
{
	/* Not before half of the buffer is free: else every small read would cost a command to the engine. */
	if (f->paused && f->fetch != NULL && f->buffer.end - f->buffer.start < FLIGHT_BUFFER / 2) {
		f->paused = false;
		engine_resume_data(f->fetch);
	}
}

void flight_state_cancel_if_idle(struct flight *f)
{
	if (f->reader_count == 0 && !f->storing && !f->refreshing && f->fetch != NULL) {
		/* Marked here and not when the engine reports it: until then the flight could still be joined. */
		f->cancelled = true;
		engine_cancel(f->fetch);
	}
}

void flight_state_trim(struct flight *f)
{
	/* Before the head, everything is kept for readers that join. So is a small body until its row is committed. */
	if (f->state == FLIGHT_WAITING || (f->in_memory && f->state == FLIGHT_COMPLETE))
		return;
	/* A complete body that only waits for its row can be read from the file by readers that join now. While a body
	 * is stored, flight_store.c forgets bytes as they reach the disk. After the end nobody joins. */
	bool on_disk = f->state == FLIGHT_COMPLETE && f->on_disk == f->received;
	if (f->storing && !on_disk && f->state != FLIGHT_ENDED)
		return;
	int64_t slowest = f->received;
	for (const struct flight_reader *r = f->readers; r != NULL; r = r->next)
		if (r->pos < slowest)
			slowest = r->pos;
	stream_buffer_forget(&f->buffer, slowest);
	flight_state_unpause(f);
}

/* --- the end --- */

void flight_state_free(struct flight *f)
{
	stream_buffer_fini(&f->buffer);
	while (f->interims != NULL) {
		struct interim *i = f->interims;
		f->interims = i->next;
		free(i);
	}
	if (f->reserved > 0)
		store_release(f->flights->config.store, f->reserved);
	body_free(f->body);
	entry_free(f->was);
	entry_free(f->selected);
	partial_body_free(f->partial);
	free(f->resume.validator);
	free(f->fetch_url);
	/* A copy of ours; in other rule decisions the tag belongs to the rules. */
	free((char *)f->decision.tag);
	if (f->rules != NULL)
		store_rules_drop(f->rules);
	free(f->redirect);
	index_rows_free(&f->variants);
	entry_free(f->entry);
	message_fini(&f->request);
	buf_fini(&f->head);
	flight_upload_free(f);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f->url);
	free(f->method);
	free(f->fields);
	free(f->message);
	free(f->trailers);
	free(f);
}

/* The last thing a flight does: flight_close() waits until no flight is left, and frees the table then. */
static void free_and_count(struct flight *f)
{
	struct flight_table *t = f->flights;
	stats_add(gauge_of(f->state), -1);
	/* Free first: once `alive` is 0, the store may be closed. */
	flight_state_free(f);
	pthread_mutex_lock(&t->lock);
	if (--t->alive == 0)
		pthread_cond_broadcast(&t->none_alive);
	pthread_mutex_unlock(&t->lock);
}

static void free_on_disk_thread(struct disk_job *job)
{
	free_and_count((struct flight *)(void *)((char *)job - offsetof(struct flight, job)));
}

/* Nobody has a reference any more, so no lock is needed. body_free() unlinks a body that no row owns, which may take
 * long: the engine's thread and the writer's leave that to the disk thread. */
static void destroy(struct flight *f)
{
	if (f->body == NULL || f->committed) {
		free_and_count(f);
		return;
	}
	f->job.run = free_on_disk_thread;
	store_on_disk(f->flights->config.store, &f->job);
}

void flight_state_hold(struct flight *f)
{
	f->refs++;
}

void flight_state_drop(struct flight *f)
{
	/* Under the lock, and not an atomic: a thread that finds the flight in the table takes its reference under the
	 * same lock. */
	pthread_mutex_lock(&f->lock);
	bool last = --f->refs == 0;
	pthread_mutex_unlock(&f->lock);
	if (last)
		destroy(f);
}

/* --- the beginning --- */

/* A NUL-terminated copy; NULL: no memory. */
static char *span_copy(struct span s)
{
	char *copy = malloc(s.len + 1);
	if (copy != NULL) {
		if (s.len > 0)
			memcpy(copy, s.at, s.len);
		copy[s.len] = '\0';
	}
	return copy;
}

/* 0, or -1: no memory. */
static int copy_ask(struct flight *f, const struct flight_ask *ask)
{
	f->url = strdup(ask->url);
	f->fetch_url = strdup(ask->fetch_url != NULL ? ask->fetch_url : ask->url);
	f->method = span_copy(ask->method);
	f->fields = span_copy(ask->fields);
	f->was = ask->was != NULL ? entry_copy(ask->was) : NULL;
	f->conditional = ask->conditional;
	f->is_second = ask->second;
	f->background = ask->background;
	f->purge_id = ask->purge_id;
	f->coding = ask->coding;
	f->engine = ask->engine != NULL ? ask->engine : &f->flights->own;
	f->notified_on = ask->engine;
	f->notify = ask->notify;
	f->notify_ctx = ask->notify_ctx;
	f->has_body = ask->upload_bytes != ENGINE_NO_UPLOAD;
	if (f->has_body && flight_upload_new(f) != 0)
		return -1;
	rules_judge(NULL, ask->url, 0, &f->decision);
	if (ask->decision != NULL)
		f->decision = *ask->decision;
	f->decision.tag = f->decision.tag != NULL ? strdup(f->decision.tag) : NULL;
	if (f->decision.by_status != NULL && ask->rules != NULL)
		store_rules_hold(f->rules = ask->rules);
	else
		f->decision.by_status = NULL;
	/* The body of a request cannot be sent again to the target of a redirect. */
	f->follows = f->decision.follow_redirects && !f->has_body &&
		     (span_is(ask->method, "GET") || span_is(ask->method, "HEAD"));
	if (ask->variants != NULL && index_rows_copy(ask->variants, &f->variants) != 0)
		return -1;
	bool copied = f->url != NULL && f->fetch_url != NULL && f->method != NULL && f->fields != NULL &&
		      (ask->was == NULL || f->was != NULL);
	if (!copied || message_parse_fields(&f->request, span_of(f->fields)) != 0)
		return -1;
	f->request.method = span_of(f->method);
	return 0;
}

struct flight *flight_state_new(struct flight_table *t, const struct flight_ask *ask, const struct fetch_ops *ops)
{
	struct flight *f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	thread_cond_init(&f->changed);
	f->flights = t;
	f->ops = ops;
	f->started_ms = clock_ms();
	f->next_start_ms = f->started_ms + t->collapse_wait_ms;
	f->body_bytes = f->expected_end = f->resume.at = -1;
	buf_init(&f->head, BUF_HEAD);
	message_init(&f->request);
	if (copy_ask(f, ask) == 0)
		return f;
	flight_state_free(f);
	return NULL;
}
