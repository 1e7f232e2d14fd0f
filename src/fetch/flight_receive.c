/*
 * What the engine brings to a flight, on the engine's thread. State changes are made at once, but waiting threads are
 * woken once a round (flight_receive_batch_end): a small answer's head, body and end arrive together and should cost
 * one wake-up, not three.
 */
#include "fetch/flight_internal.h"

#include "base/stats.h"
#include "http/field.h"
#include "http/policy.h"

#include <stdlib.h>

static void notice(struct flight *f)
{
	if (f->wakeup_pending)
		return;
	f->wakeup_pending = true;
	f->refs++;
	f->next_pending_wakeup = f->flights->pending_wakeups;
	f->flights->pending_wakeups = f;
}

void flight_receive_batch_end(void *ctx)
{
	struct flight_table *t = ctx;
	while (t->pending_wakeups != NULL) {
		struct flight *f = t->pending_wakeups;
		t->pending_wakeups = f->next_pending_wakeup;
		pthread_mutex_lock(&f->lock);
		f->wakeup_pending = false;
		pthread_mutex_unlock(&f->lock);
		pthread_cond_broadcast(&f->changed); /* without the lock: who wakes wants it first of all */
		flight_drop(f);
	}
}

static void on_interim(void *ctx, int status, struct span fields)
{
	struct flight *f = ctx;
	struct interim *i = f->resuming ? NULL : malloc(sizeof *i + fields.len + 1);
	if (i == NULL)
		return; /* an interim answer may be lost (RFC 9110 15.2) */
	i->next = NULL;
	i->status = status;
	if (fields.len > 0)
		memcpy(i->fields, fields.at, fields.len);
	i->fields[fields.len] = '\0';
	pthread_mutex_lock(&f->lock);
	struct interim **at = &f->interims;
	unsigned before = 0;
	for (; *at != NULL; at = &(*at)->next)
		before++;
	if (before < FLIGHT_INTERIMS)
		*at = i;
	else
		free(i);
	notice(f);
	pthread_mutex_unlock(&f->lock);
}

/* What a HEAD's Content-Length says of the GET; -1 when it says nothing. */
static int64_t said_length(const struct head *response)
{
	struct span value = message_find(response, "Content-Length");
	int64_t n = 0;
	if (value.len == 0 || value.len > 18)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return -1;
		n = n * 10 + (value.at[i] - '0');
	}
	return n;
}

static void on_head(void *ctx, int status, int minor, struct span fields, int64_t body_bytes)
{
	struct flight *f = ctx;
	struct head response, combined;
	struct buf text;
	message_init(&response);
	message_init(&combined);
	buf_init(&text, BUF_HEAD);
	bool ok = message_parse_fields(&response, fields) == 0;
	response.status = status;
	response.minor = minor;
	if (f->resuming) {
		flight_range_next_head(f, &response);
		goto out;
	}
	if (ok && flight_range_redirect(f, &response))
		goto out;
	f->status = status;
	f->minor = minor;
	f->body_bytes = strcmp(f->method, "HEAD") == 0 ? said_length(&response) : body_bytes;
	if (ok) {
		const struct head *head = flight_range_first_head(f, &response, &combined, &text);
		flight_range_note_validator(f, head);
		flight_store_judge(f, head, &response);
	}
	/* Known before anybody can see the head: a request that no longer finds this flight open must not begin another
	 * to wait for. */
	if (f->shared != f->shareable || f->passes)
		flight_table_note_pass(f->flights, f->hash, !f->shareable);
	bool beside = flight_table_is_beside(f);
	pthread_mutex_lock(&f->lock);
	f->beside = beside;
	flight_enter(f, FLIGHT_STREAMING);
	f->upload_wanted = true; /* who waits for 100 (Continue) gets the answer instead */
	flight_end_if_idle(f);
	notice(f);
	pthread_mutex_unlock(&f->lock);
	if (f->shared)
		flight_table_overtake(f);
out:
	message_fini(&response);
	message_fini(&combined);
	buf_fini(&text);
}

static bool on_data(void *ctx, const char *bytes, size_t n)
{
	struct flight *f = ctx;
	pthread_mutex_lock(&f->lock);
	if (f->resume_refused || f->redirect != NULL) { /* bytes of something else */
		pthread_mutex_unlock(&f->lock);
		return true;
	}
	/* The framing of a part may bring more than its Content-Range says. Behind the body of which it is a part it
	 * would be an answer of its own to a client. */
	bool too_long = f->expected_end >= 0 && (int64_t)n > f->expected_end - f->received;
	if (too_long) {
		n = f->expected_end > f->received ? (size_t)(f->expected_end - f->received) : 0;
		f->resume_refused = true;
		engine_cancel(f->fetch);
	}
	if (stream_buffer_add(&f->buffer, bytes, n, f->body_bytes) != 0)
		f->forgotten = true; /* out of memory: a hole must not look like a body */
	f->received += (int64_t)n;
	if (f->forgotten && f->buffer.end != f->received) {
		engine_cancel(f->fetch);
	} else {
		int64_t most = f->flights->config.max_body;
		if (f->storing && most > 0 && f->received > most)
			flight_store_give_up(f, f->flights->config.too_large);
		/* What arrives takes room before it is a row, and others are evicted for it. */
		if (f->storing && f->body_bytes < 0 && f->received > FLIGHT_ENDLESS &&
		    store_short(f->flights->config.store))
			flight_store_give_up(
			    f, "its length is unknown, and the disk has less free than --min-free leaves");
		flight_store_grow(f);
		flight_store_step(f);
	}
	bool more = f->buffer.end - f->buffer.start < FLIGHT_BUFFER;
	if (!more)
		f->paused = true;
	else
		flight_unpause(f); /* bytes that were under way when it was paused: the wish to go on may have come
				      before them */
	notice(f);
	pthread_mutex_unlock(&f->lock);
	return more;
}

static void keep_timings(struct entry *e, const struct engine_end *end)
{
	e->dns_ms = end->dns_ms;
	e->connect_ms = end->connect_ms;
	e->ttfb_ms = end->ttfb_ms;
	e->total_ms = end->total_ms;
}

static void on_done(void *ctx, const struct engine_end *end)
{
	struct flight *f = ctx;
	bool beside = flight_table_is_beside(f);
	pthread_mutex_lock(&f->lock);
	f->fetch = NULL;
	if (flight_range_try(f, end->outcome)) { /* the engine's reference goes on with it */
		pthread_mutex_unlock(&f->lock);
		return;
	}
	if (f->status != 0 && policy_is_unsafe(span_of(f->method)) == false)
		store_fetched(f->flights->config.store, f->url,
		    f->received - (f->partial != NULL ? f->partial->hole_first : 0), flight_now());
	f->outcome = end->outcome;
	f->curl_code = end->curl_code;
	f->message = strdup(end->message);
	f->upload_over = f->upload_wanted = true;
	bool landed = end->outcome == ENGINE_OK && f->buffer.end == f->received;
	if (end->outcome == ENGINE_OK && !landed)
		f->outcome = ENGINE_TROUBLE;
	if ((landed && f->expected_end >= 0 && f->received != f->expected_end) || f->resume_refused || f->resuming) {
		landed = false;
		f->outcome = ENGINE_BROKEN;
		f->curl_code = 18;
	}
	if (landed && end->trailers.len > 0) {
		f->trailers = malloc(end->trailers.len + 1);
		if (f->trailers != NULL) {
			memcpy(f->trailers, end->trailers.at, end->trailers.len);
			f->trailers[end->trailers.len] = '\0';
		}
	}
	if (landed && f->entry != NULL && !f->refreshed)
		keep_timings(f->entry, end);
	if (!landed)
		f->storing = flight_store_salvage(f);
	else if (f->storing && f->body == NULL)
		flight_store_wait_for_disk(f);
	f->refreshing = f->refreshing && !beside; /* the row is the earlier flight's to write */
	bool over = !f->storing && (!landed || !(f->refreshing || f->withdrawing));
	flight_enter(f, !landed ? FLIGHT_DEAD : over ? FLIGHT_OVER : FLIGHT_LANDED);
	if (!over && landed && f->refreshing)
		flight_store_refresh(f);
	else if (!over)
		flight_store_step(f);
	notice(f);
	pthread_mutex_unlock(&f->lock);
	if (over)
		flight_table_close(f);
	flight_drop(f);
}

static ssize_t on_upload(void *ctx, char *bytes, size_t n)
{
	return flight_upload_take(ctx, bytes, n);
}

const struct fetch_ops flight_receive_ops = {
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .upload = on_upload,
    .done = on_done,
};
