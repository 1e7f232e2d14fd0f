/*
 * The response arrives, on the thread of the engine that fetches it (f->engine; flight_engine.h has the wake-ups).
 *
 * on_head and on_done call into the table, whose lock comes before a flight's. They do so before they take the flight's
 * lock or after they have released it.
 */
#include "fetch/flight_receive.h"

#include "base/stats.h"
#include "fetch/flight_engine.h"
#include "fetch/flight_fetch.h"
#include "fetch/flight_judge.h"
#include "fetch/flight_range.h"
#include "fetch/flight_redirect.h"
#include "fetch/flight_state.h"
#include "fetch/flight_store.h"
#include "fetch/flight_table.h"
#include "fetch/flight_upload.h"
#include "http/field.h"
#include "http/policy.h"

#include <stdlib.h>
#include <string.h>

enum {
	INTERIMS = 32,              /* interim responses kept for the leader; more are dropped */
	ENDLESS_BYTES = 16 << 20,   /* from here on a body of unknown length may be one without an end */
	CURL_CODE_PARTIAL_FILE = 18 /* libcurl's number: the body broke off */
};

/* --- the head --- */

/* The list only grows, and a response in it never changes: the leader may read one without the lock after it has found
 * it under the lock. */
static void on_interim(void *ctx, int status, struct span fields)
{
	struct flight *f = ctx;
	struct interim *i = f->resume.waits ? NULL : malloc(sizeof *i + fields.len + 1);
	if (i == NULL)
		return; /* a proxy may lose an interim response (RFC 9110 15.2) */
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
	if (before < INTERIMS)
		*at = i;
	else
		free(i);
	flight_engine_wake_later(f->engine, f);
	pthread_mutex_unlock(&f->lock);
}

/* The Content-Length of a response to HEAD: the length of the body that GET would bring. -1: it has none. */
static int64_t content_length(const struct head *response)
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

/* The members of the group HEAD are written without the lock: no other thread reads them before STREAMING. */
static void take_first_head(struct flight *f, const struct head *response, bool parsed, int64_t body_bytes)
{
	struct head combined;
	struct buf text;
	message_init(&combined);
	buf_init(&text, BUF_HEAD);
	f->status = response->status;
	f->minor = response->minor;
	f->body_bytes = strcmp(f->method, "HEAD") == 0 ? content_length(response) : body_bytes;
	if (parsed) {
		const struct head *head = flight_range_first_head(f, response, &combined, &text);
		flight_range_note_validator(f, head);
		flight_judge_response(f, head, response);
	}
	/* The table's lock is taken by the next two calls, so this flight's must not be held. */
	/* Before the head can be seen: a request that is released from this flight must not start another one that is
	 * waited for. */
	if (f->shared != f->shareable || f->known_unshareable)
		flight_table_note_shareable(f->flights, f->hash, f->shareable);
	bool earlier = flight_table_has_earlier(f);
	pthread_mutex_lock(&f->lock);
	f->earlier_in_progress = earlier;
	flight_state_enter(f, FLIGHT_STREAMING);
	flight_upload_over(f, false); /* a thread that waits for 100 (Continue) gets the response instead */
	flight_state_cancel_if_idle(f);
	flight_engine_wake_later(f->engine, f);
	pthread_mutex_unlock(&f->lock);
	if (f->shared)
		flight_table_overtake(f);
	message_fini(&combined);
	buf_fini(&text);
}

static void on_head(void *ctx, int status, int minor, struct span fields, int64_t body_bytes)
{
	struct flight *f = ctx;
	struct head response;
	message_init(&response);
	bool parsed = message_parse_fields(&response, fields) == 0;
	response.status = status;
	response.minor = minor;
	/* Three kinds of heads: of the rest of a body, of a redirect that is followed, and the first one of a flight.
	 */
	if (f->resume.waits)
		flight_range_next_head(f, &response);
	else if (!parsed || !flight_redirect_take(f, &response))
		take_first_head(f, &response, parsed, body_bytes);
	message_fini(&response);
}

/* --- the body --- */

/* Lets the disk thread have what arrived, or ends storing. Under the lock. */
static void store_arrived(struct flight *f)
{
	int64_t max = f->flights->max_body;
	if (f->storing && max > 0 && f->received > max)
		flight_store_give_up(f, f->flights->too_large);
	/* An endless body would take the place of everything else: its bytes count before it is a row, and rows are
	 * evicted for it. */
	if (f->storing && f->body_bytes < 0 && f->received > ENDLESS_BYTES && store_short(f->flights->config.store))
		flight_store_give_up(f, FLIGHT_STORE_NO_ROOM);
	flight_store_grow(f);
	flight_store_step(f);
}

/* The bytes are always taken; the result says whether more may come. A pause is decided and noted under the same lock
 * as flight_state_unpause() looks, so a reader that empties the buffer cannot miss it. */
static bool on_data(void *ctx, const char *bytes, size_t n)
{
	struct flight *f = ctx;
	pthread_mutex_lock(&f->lock);
	if (f->resume.refused || f->redirect != NULL) { /* bytes of another body */
		pthread_mutex_unlock(&f->lock);
		return true;
	}
	/* The framing of a 206 may bring more than its Content-Range promised. After the end of the body, a client
	 * would take those bytes for another response. */
	bool too_long = f->expected_end >= 0 && (int64_t)n > f->expected_end - f->received;
	if (too_long) {
		n = f->expected_end > f->received ? (size_t)(f->expected_end - f->received) : 0;
		f->resume.refused = true;
		engine_cancel(f->fetch);
	}
	if (stream_buffer_add(&f->buffer, bytes, n, f->body_bytes) != 0)
		f->invalidated = true; /* out of memory: a body with a hole must not look whole */
	f->received += (int64_t)n;
	if (f->invalidated && f->buffer.end != f->received)
		engine_cancel(f->fetch);
	else
		store_arrived(f);
	bool more = f->buffer.end - f->buffer.start < FLIGHT_BUFFER;
	if (!more)
		f->paused = true;
	else
		/* libcurl delivers bytes that it had already read when it was paused. The command to resume may have
		 * come before them. */
		flight_state_unpause(f);
	flight_engine_wake_later(f->engine, f);
	pthread_mutex_unlock(&f->lock);
	return more;
}

static ssize_t on_upload(void *ctx, char *bytes, size_t n)
{
	return flight_upload_take(ctx, bytes, n);
}

/* --- the end --- */

/* The row says how long the fetch took. Nobody else reads the entry's timings before the put. */
static void keep_timings(struct entry *e, const struct engine_end *end)
{
	e->dns_ms = end->dns_ms;
	e->connect_ms = end->connect_ms;
	e->ttfb_ms = end->ttfb_ms;
	e->total_ms = end->total_ms;
}

/* A loop's engine does not know the address of the host. The table's engine looks it up and makes the fetch. The thread
 * that leads the flight is told by this engine. Under the lock. */
static bool move(struct flight *f)
{
	struct flight_fetch_request request = {.fields = span_of(f->fields),
	    .upload_bytes = ENGINE_NO_UPLOAD,
	    .trusted = f->flights->config.trusted,
	    .again = true};
	flight_engine_wake_later(f->engine, f);
	return flight_fetch_continue(f, &request) == 0;
}

/* True when the flight goes on with another fetch, which takes over the engine's reference. Under the lock. */
static bool goes_on(struct flight *f, enum engine_outcome outcome)
{
	if (outcome == ENGINE_NO_ADDRESS && f->status == 0 && !f->cancelled)
		return move(f);
	if (flight_redirect_is_due(f))
		return flight_redirect_follow(f);
	return flight_range_resume(f, outcome);
}

/* True when the body is whole. Fills the members of the group END. Under the lock. */
static bool take_outcome(struct flight *f, const struct engine_end *end)
{
	f->outcome = end->outcome;
	f->curl_code = end->curl_code;
	f->message = strdup(end->message);
	bool whole = end->outcome == ENGINE_OK && f->buffer.end == f->received;
	if (end->outcome == ENGINE_OK && !whole)
		f->outcome = ENGINE_NO_MEMORY;
	if (whole && f->status == 0) { /* a redirect that nobody wants to follow any more */
		whole = false;
		f->outcome = ENGINE_CANCELLED;
	}
	/* The engine sees each response for itself. Whether several of them make one whole body is known only here. */
	if ((whole && f->expected_end >= 0 && f->received != f->expected_end) || f->resume.refused || f->resume.waits) {
		whole = false;
		f->outcome = ENGINE_BROKEN;
		f->curl_code = CURL_CODE_PARTIAL_FILE;
	}
	if (whole && end->trailers.len > 0) {
		f->trailers = malloc(end->trailers.len + 1);
		if (f->trailers != NULL) {
			memcpy(f->trailers, end->trailers.at, end->trailers.len);
			f->trailers[end->trailers.len] = '\0';
		}
	}
	return whole;
}

/* The body broke off: what has arrived is stored as a part, or not at all. Under the lock. */
static void store_part(struct flight *f)
{
	bool wanted = f->storing;
	f->storing = flight_store_salvage(f);
	if (wanted && !f->storing)
		f->not_stored_why = "its body broke off";
}

/* The order of the last steps closes two races. The state is entered under the lock before the disk job or the refresh
 * is queued, so those threads find it. And the table is left after the state has changed: a request that still finds
 * the flight there sees that it may not be joined, and one that does not find it sees another generation. */
static void on_done(void *ctx, const struct engine_end *end)
{
	struct flight *f = ctx;
	bool earlier = flight_table_has_earlier(f);
	pthread_mutex_lock(&f->lock);
	f->fetch = NULL; /* from here on no thread may give the engine a command for it */
	if (goes_on(f, end->outcome)) {
		pthread_mutex_unlock(&f->lock);
		return;
	}
	if (f->status != 0 && !policy_is_unsafe(span_of(f->method)))
		store_fetched(f->flights->config.store, f->url,
		    f->received - (f->partial != NULL ? f->partial->hole_first : 0), flight_state_now());
	flight_upload_over(f, true);
	bool whole = take_outcome(f, end);
	if (whole && f->entry != NULL && !f->refreshed)
		keep_timings(f->entry, end);
	if (!whole)
		store_part(f);
	else if (f->storing && f->body == NULL)
		flight_store_queue_whole(f);
	f->refreshing = f->refreshing && !earlier; /* then the row is the earlier flight's to write */
	bool over = !f->storing && (!whole || !(f->refreshing || f->withdrawing));
	flight_state_enter(f, !whole ? FLIGHT_ABORTED : over ? FLIGHT_ENDED : FLIGHT_COMPLETE);
	if (!over && whole && f->refreshing)
		flight_store_refresh(f);
	else if (!over)
		flight_store_step(f);
	flight_engine_wake_later(f->engine, f);
	pthread_mutex_unlock(&f->lock);
	if (over) /* else the disk thread or the writer takes it out */
		flight_table_remove(f);
	flight_state_drop(f);
}

const struct fetch_ops flight_receive_ops = {
    .interim = on_interim,
    .head = on_head,
    .data = on_data,
    .upload = on_upload,
    .done = on_done,
};
