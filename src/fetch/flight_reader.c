/*
 * Waiting and reading. A reader waits on flight->changed, under the flight's lock. It wakes every LOOK_MS to ask
 * whether its client is gone; the lock is released for that question, so whatever was read under it must be read again
 * after each wait.
 *
 * Bytes are handed out without a copy: a segment of the buffer is held by a reference until the next read, and a file
 * is read by the caller. So a slow client holds up no lock.
 */
#include "fetch/flight_reader.h"

#include "base/clock.h"
#include "fetch/flight_state.h"
#include "fetch/flight_table.h"
#include "http/vary.h"

#include <stdlib.h>

enum { LOOK_MS = 500 };

/* Waits for a change, for `ms` at most. False when the client is gone. Under the lock, which is released meanwhile. */
static bool wait_a_while(struct flight_reader *r, int64_t ms)
{
	struct flight *f = r->flight;
	struct timespec until = clock_after_us(ms * 1000);
	if (pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0 || r->gone == NULL)
		return true;
	/* The question is a system call on the client's socket: not under the lock. */
	pthread_mutex_unlock(&f->lock);
	bool gone = r->gone(r->gone_ctx);
	pthread_mutex_lock(&f->lock);
	return !gone;
}

/* --- the head --- */

/* How long to wait for the head before something must be looked at. */
static int64_t patience_ms(const struct flight_reader *r)
{
	int64_t left = r->leads ? LOOK_MS : r->late_at_ms - clock_ms();
	return left < 0 ? 0 : left < LOOK_MS ? left : LOOK_MS;
}

/* True when the follower has waited long enough and may start a second flight. Under the lock, which is released
 * meanwhile, because the table's lock comes before it. */
static bool is_late(struct flight_reader *r)
{
	if (r->leads || clock_ms() < r->late_at_ms)
		return false;
	pthread_mutex_unlock(&r->flight->lock);
	r->late_at_ms = flight_table_take_turn(r->flight);
	pthread_mutex_lock(&r->flight->lock);
	return r->late_at_ms == 0;
}

/* Under the lock. Interim responses stay in the list: the leader remembers how far it has come. */
static const struct interim *next_interim(const struct flight_reader *r)
{
	if (!r->leads)
		return NULL;
	return r->interim != NULL ? r->interim->next : r->flight->interims;
}

/* A follower may have the response only if its own request would have produced it (RFC 9111 4). */
static bool is_for(const struct flight_reader *r)
{
	const struct flight *f = r->flight;
	if (r->leads)
		return true;
	if (!f->shareable)
		return false;
	return f->entry == NULL || vary_matches(f->entry->vary, r->request);
}

/* From ABORTED on these members are fixed, so the pointers stay valid after the lock is released. */
static void report_failure(const struct flight *f, struct flight_response *a)
{
	a->outcome = f->outcome;
	a->curl_code = f->curl_code;
	a->message = f->message != NULL ? f->message : "";
}

/* Under the lock; what `a` points to is fixed from STREAMING on. */
static enum flight_wait_result report_head(const struct flight_reader *r, struct flight_response *a)
{
	const struct flight *f = r->flight;
	if (!is_for(r))
		return FLIGHT_RELEASED;
	a->status = f->status;
	a->minor = f->minor;
	/* Fields that no-cache="..." or private="..." names are only for the client whose request brought them. They
	 * are not in the stored fields. */
	a->fields = !r->leads && f->entry != NULL ? span_of(f->entry->headers) : buf_span(&f->head);
	a->reused = !r->leads;
	a->body_bytes = f->body_bytes;
	a->entry = f->entry;
	a->stored = f->storing;
	a->stopped = !f->storing              ? NULL
		     : f->earlier_in_progress ? FLIGHT_EARLIER_IN_PROGRESS
					      : store_stopped(f->flights->config.store);
	int64_t since = flight_state_now() - f->head_at;
	/* RFC 9111 5.1 */
	a->age_s = f->has_age || r->joined_after_head ? f->verdict.initial_age_s + (since > 0 ? since : 0) : -1;
	a->reason = f->not_stored_why != NULL ? f->not_stored_why : f->verdict.reason;
	return f->refreshed ? FLIGHT_REFRESHED : FLIGHT_RESPONSE;
}

/* The order of the questions matters: interim responses first, then how it ended, then the head; only then whether to
 * go on waiting. A follower whose head has come does not leave for another flight. */
enum flight_wait_result flight_reader_wait(struct flight_reader *r, struct flight_response *a)
{
	struct flight *f = r->flight;
	enum flight_wait_result result = FLIGHT_GONE;
	memset(a, 0, sizeof *a);
	pthread_mutex_lock(&f->lock);
	for (;;) {
		const struct interim *i = next_interim(r);
		if (i != NULL) {
			r->interim = i;
			a->status = i->status;
			a->fields = span_of(i->fields);
			result = FLIGHT_INTERIM;
			break;
		}
		if (f->state == FLIGHT_ABORTED && f->status == 0) { /* with a status, the head can still be had */
			report_failure(f, a);
			result = FLIGHT_FAILED;
			break;
		}
		if (f->state != FLIGHT_WAITING) {
			result = report_head(r, a);
			break;
		}
		if (!r->leads && r->overtakes != f->overtakes) {
			result = FLIGHT_OVERTAKEN;
			break;
		}
		if (is_late(r)) {
			result = FLIGHT_LATE;
			break;
		}
		/* is_late() released the lock: the head may have come. */
		if (f->state == FLIGHT_WAITING && !wait_a_while(r, patience_ms(r)))
			break;
	}
	pthread_mutex_unlock(&f->lock);
	return result;
}

/* --- a leader that does not block --- */

static bool is_in_memory(const struct flight *f, int64_t max_bytes)
{
	return (f->state == FLIGHT_COMPLETE || f->state == FLIGHT_ENDED) && f->received <= max_bytes &&
	       f->partial == NULL && f->buffer.start == 0 && f->buffer.end == f->received;
}

enum flight_progress flight_reader_progress(struct flight_reader *r, int64_t max_bytes)
{
	struct flight *f = r->flight;
	enum flight_progress progress = FLIGHT_GOES_ON;
	pthread_mutex_lock(&f->lock);
	bool moved = f->engine != f->notified_on;
	if (f->state == FLIGHT_WAITING && !moved && f->interims == NULL)
		progress = FLIGHT_NOTHING;
	else if (f->interims == NULL && !f->refreshed &&
		 ((f->state == FLIGHT_ABORTED && f->status == 0) || is_in_memory(f, max_bytes)))
		progress = FLIGHT_WHOLE;
	pthread_mutex_unlock(&f->lock);
	return progress;
}

void flight_reader_block(struct flight_reader *r)
{
	pthread_mutex_lock(&r->flight->lock);
	r->flight->notify = NULL;
	pthread_mutex_unlock(&r->flight->lock);
}

/* --- the body --- */

/* Looks for the byte at r->pos in stored parts, in memory and in the body file, in this order. Under the lock. */
static bool find_bytes(struct flight_reader *r, struct flight_bytes *out, enum flight_read *where)
{
	struct flight *f = r->flight;
	const struct partial_body_segment *part = f->partial != NULL ? partial_body_find(f->partial, r->pos) : NULL;
	if (part != NULL) {
		*out = (struct flight_bytes){
		    .n = (size_t)(part->at + part->n - r->pos), .fd = part->fd, .at = part->offset + r->pos - part->at};
		*where = FLIGHT_FILE;
		r->pos += (int64_t)out->n;
		return true;
	}
	struct span bytes = stream_buffer_peek(&f->buffer, r->pos, &r->segment);
	if (bytes.len > 0) {
		*out = (struct flight_bytes){.bytes = bytes.at, .n = bytes.len, .fd = -1};
		*where = FLIGHT_BYTES;
	} else if (r->pos < f->on_disk && f->body != NULL) {
		*out = (struct flight_bytes){.n = (size_t)(f->on_disk - r->pos), .fd = body_fd(f->body), .at = r->pos};
		*where = FLIGHT_FILE;
	} else {
		return false;
	}
	r->pos += (int64_t)out->n;
	return true;
}

enum flight_read flight_reader_read(struct flight_reader *r, bool wait, struct flight_bytes *out)
{
	struct flight *f = r->flight;
	enum flight_read result = FLIGHT_LEFT;
	/* The bytes of the call before are no longer needed. */
	struct stream_buffer_segment *done_with = r->segment;
	r->segment = NULL;
	pthread_mutex_lock(&f->lock);
	flight_state_trim(f);
	while (!find_bytes(r, out, &result)) {
		if (f->state == FLIGHT_COMPLETE || f->state == FLIGHT_ENDED) {
			result = FLIGHT_END;
			break;
		}
		if (f->state == FLIGHT_ABORTED) {
			result = FLIGHT_BROKEN;
			break;
		}
		if (!wait) {
			result = FLIGHT_QUIET;
			break;
		}
		if (!wait_a_while(r, LOOK_MS))
			break;
		/* Storing may have ended during the wait. From then on the buffer is emptied by readers alone, and the
		 * origin waits for us to say what we have read. */
		flight_state_trim(f);
	}
	pthread_mutex_unlock(&f->lock);
	stream_buffer_drop(done_with); /* after the lock: it may free 64 KiB */
	return result;
}

void flight_reader_seek(struct flight_reader *r, int64_t at)
{
	pthread_mutex_lock(&r->flight->lock);
	r->pos = at;
	pthread_mutex_unlock(&r->flight->lock);
}

struct span flight_reader_trailers(struct flight_reader *r)
{
	return span_of(r->flight->trailers);
}

/* --- leaving --- */

/* Without readers: is the rest worth fetching for the store? Under the lock. */
static bool is_worth_finishing(const struct flight *f)
{
	if (f->background || f->refreshing || f->state == FLIGHT_COMPLETE)
		return true;
	if (f->state != FLIGHT_STREAMING || !f->storing || f->body_bytes < 0)
		return false;
	return f->received * 2 >= f->body_bytes || f->body_bytes - f->received < 1 << 20;
}

void flight_reader_leave_running(struct flight_reader *r)
{
	pthread_mutex_lock(&r->flight->lock);
	if (r->flight->storing)
		r->flight->background = true;
	pthread_mutex_unlock(&r->flight->lock);
	flight_reader_leave(r);
}

void flight_reader_leave(struct flight_reader *r)
{
	if (r == NULL)
		return;
	struct flight *f = r->flight;
	pthread_mutex_lock(&f->lock);
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	f->reader_count--;
	if (r->leads)
		f->notify = NULL; /* the flight may go on without it */
	/* on_done clears f->fetch under this lock, so the command reaches a fetch that exists. */
	bool cancel = f->reader_count == 0 && f->fetch != NULL && !is_worth_finishing(f);
	if (cancel) {
		f->cancelled = true;
		engine_cancel(f->fetch);
		if (f->storing && strcmp(f->method, "GET") == 0)
			store_refuse(f->flights->config.store, f->url,
			    "the client left, and nobody waited for the rest", f->status, flight_state_now());
	} else {
		flight_state_trim(f); /* this reader may have been the slowest */
	}
	pthread_mutex_unlock(&f->lock);
	stream_buffer_drop(r->segment);
	flight_state_drop(f);
	free(r);
}
