/* Seats: what a waiter sees of a flight. States, locks and references are told in flight_internal.h. */
#include "fetch/flight_internal.h"

#include "base/clock.h"
#include "http/key.h"
#include "http/vary.h"

#include <assert.h>
#include <stdlib.h>

enum { LOOK_MS = 500 }; /* how often a waiter looks whether its client is gone */

void flight_enter(struct flight *f, enum flight_state to)
{
	assert(to > f->state); /* every edge of the picture leads on */
	f->state = to;
}

void flight_unpause(struct flight *f)
{
	if (f->paused && f->fetch != NULL && f->buffer.end - f->buffer.start < FLIGHT_BUFFER / 2) {
		f->paused = false;
		engine_resume_data(f->fetch);
	}
}

void flight_end_if_idle(struct flight *f)
{
	if (f->reader_count == 0 && !f->storing && !f->refreshing && f->fetch != NULL) {
		f->given_up = true;
		engine_cancel(f->fetch);
	}
}

void flight_forget_read(struct flight *f)
{
	bool on_disk = f->state == FLIGHT_LANDED && f->on_disk == f->received; /* and waits for its row: who comes now
										  reads the file */
	if (f->state == FLIGHT_ASKING || (f->storing && !on_disk))
		return;
	int64_t least = f->received;
	for (const struct flight_reader *s = f->readers; s != NULL; s = s->next)
		if (s->pos < least)
			least = s->pos;
	stream_buffer_forget(&f->buffer, least);
	flight_unpause(f);
}

/* Waits for news, for `ms` at most; false when the client is gone. Under the lock, which is let go meanwhile. */
static bool wait_a_while(struct flight_reader *s, int64_t ms)
{
	struct flight *f = s->flight;
	struct timespec until = clock_after_us(ms * 1000);
	if (pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0 || s->gone == NULL)
		return true;
	pthread_mutex_unlock(&f->lock);
	bool gone = s->gone(s->gone_ctx);
	pthread_mutex_lock(&f->lock);
	return !gone;
}

/* --- the head --- */

/* How long to wait for the head before something must be looked at. */
static int64_t patience_ms(const struct flight_reader *s)
{
	int64_t left = s->leads ? LOOK_MS : s->late_ms - clock_ms();
	return left < 0 ? 0 : left < LOOK_MS ? left : LOOK_MS;
}

/* True when the follower has waited long enough and it is its turn to start another flight. Under the lock, which is
 * let go meanwhile. */
static bool is_late(struct flight_reader *s)
{
	if (s->leads || clock_ms() < s->late_ms)
		return false;
	pthread_mutex_unlock(&s->flight->lock);
	s->late_ms = flight_table_take_turn(s->flight);
	pthread_mutex_lock(&s->flight->lock);
	return s->late_ms == 0;
}

static const struct interim *next_interim(const struct flight_reader *s)
{
	if (!s->leads)
		return NULL;
	return s->interim != NULL ? s->interim->next : s->flight->interims;
}

/* A follower may have this answer only if its own request would have been answered so (RFC 9111 4). */
static bool is_for(const struct flight_reader *s)
{
	const struct flight *f = s->flight;
	if (s->leads)
		return true;
	if (!f->shareable)
		return false;
	return f->entry == NULL || vary_matches(f->entry->vary, s->request);
}

static void tell_failure(const struct flight *f, struct flight_response *a)
{
	a->outcome = f->outcome;
	a->curl_code = f->curl_code;
	a->message = f->message != NULL ? f->message : "";
}

static enum flight_wait_result tell_answer(const struct flight_reader *s, struct flight_response *a)
{
	const struct flight *f = s->flight;
	if (!is_for(s))
		return FLIGHT_RELEASED;
	a->status = f->status;
	a->minor = f->minor;
	/* What no-cache="..." or private="..." names is for the one whose request brought it. */
	a->fields = !s->leads && f->entry != NULL ? span_of(f->entry->headers) : buf_span(&f->head);
	a->reused = !s->leads;
	a->body_bytes = f->body_bytes;
	a->entry = f->entry;
	a->stored = f->storing;
	a->stopped = !f->storing ? NULL : f->beside ? FLIGHT_BESIDE : store_stopped(f->flights->config.store);
	int64_t since = flight_now() - f->answered_at;
	a->age_s = f->aged || s->late ? f->verdict.initial_age_s + (since > 0 ? since : 0) : -1; /* RFC 9111 5.1 */
	a->reason = f->gave_up != NULL ? f->gave_up : f->verdict.reason;
	return f->refreshed ? FLIGHT_REFRESHED : FLIGHT_ANSWER;
}

enum flight_wait_result flight_wait(struct flight_reader *s, struct flight_response *a)
{
	struct flight *f = s->flight;
	enum flight_wait_result changed = FLIGHT_GONE;
	memset(a, 0, sizeof *a);
	pthread_mutex_lock(&f->lock);
	for (;;) {
		const struct interim *i = next_interim(s);
		if (i != NULL) {
			s->interim = i;
			a->status = i->status;
			a->fields = span_of(i->fields);
			changed = FLIGHT_INTERIM;
			break;
		}
		if (f->state == FLIGHT_DEAD && f->status == 0) {
			tell_failure(f, a);
			changed = FLIGHT_FAILED;
			break;
		}
		if (f->state != FLIGHT_ASKING) {
			changed = tell_answer(s, a);
			break;
		}
		if (!s->leads && s->overtakes != f->overtakes) {
			changed = FLIGHT_OVERTAKEN;
			break;
		}
		if (is_late(s)) {
			changed = FLIGHT_LATE;
			break;
		}
		if (f->state == FLIGHT_ASKING && !wait_a_while(s, patience_ms(s)))
			break;
	}
	pthread_mutex_unlock(&f->lock);
	return changed;
}

/* --- the body --- */

static bool find_piece(struct flight_reader *s, struct flight_piece *out, enum flight_read *what)
{
	struct flight *f = s->flight;
	const struct partial_body_segment *r = f->partial != NULL ? partial_body_find(f->partial, s->pos) : NULL;
	if (r != NULL) {
		*out = (struct flight_piece){
		    .n = (size_t)(r->at + r->n - s->pos), .fd = r->fd, .at = r->skip + s->pos - r->at};
		*what = FLIGHT_FILE;
		s->pos += (int64_t)out->n;
		return true;
	}
	struct span bytes = stream_buffer_peek(&f->buffer, s->pos, &s->piece);
	if (bytes.len > 0) {
		*out = (struct flight_piece){.bytes = bytes.at, .n = bytes.len, .fd = -1};
		*what = FLIGHT_BYTES;
	} else if (s->pos < f->on_disk && f->body != NULL) {
		*out = (struct flight_piece){.n = (size_t)(f->on_disk - s->pos), .fd = body_fd(f->body), .at = s->pos};
		*what = FLIGHT_FILE;
	} else {
		return false;
	}
	s->pos += (int64_t)out->n;
	return true;
}

enum flight_read flight_read(struct flight_reader *s, bool wait, struct flight_piece *out)
{
	struct flight *f = s->flight;
	enum flight_read what = FLIGHT_LEFT;
	struct segment *done_with = s->piece;
	s->piece = NULL;
	pthread_mutex_lock(&f->lock);
	flight_forget_read(f);
	while (!find_piece(s, out, &what)) {
		if (f->state == FLIGHT_LANDED || f->state == FLIGHT_OVER) {
			what = FLIGHT_END;
			break;
		}
		if (f->state == FLIGHT_DEAD) {
			what = FLIGHT_BROKEN;
			break;
		}
		if (!wait) {
			what = FLIGHT_QUIET;
			break;
		}
		if (!wait_a_while(s, LOOK_MS))
			break;
		flight_forget_read(f); /* storing may have ended meanwhile: then all that waits for us is what we have
					  read */
	}
	pthread_mutex_unlock(&f->lock);
	segment_drop(done_with);
	return what;
}

void flight_seek(struct flight_reader *s, int64_t at)
{
	pthread_mutex_lock(&s->flight->lock);
	s->pos = at;
	pthread_mutex_unlock(&s->flight->lock);
}

struct span flight_trailers(struct flight_reader *s)
{
	return span_of(s->flight->trailers);
}

/* --- leaving --- */

/* With nobody waiting: is the rest worth fetching for the store? */
static bool is_worth_finishing(const struct flight *f)
{
	if (f->background || f->refreshing || f->state == FLIGHT_LANDED)
		return true;
	if (f->state != FLIGHT_STREAMING || !f->storing || f->body_bytes < 0)
		return false;
	return f->received * 2 >= f->body_bytes || f->body_bytes - f->received < 1 << 20;
}

void flight_leave_running(struct flight_reader *s)
{
	pthread_mutex_lock(&s->flight->lock);
	if (s->flight->storing)
		s->flight->background = true;
	pthread_mutex_unlock(&s->flight->lock);
	flight_leave(s);
}

void flight_leave(struct flight_reader *s)
{
	if (s == NULL)
		return;
	struct flight *f = s->flight;
	pthread_mutex_lock(&f->lock);
	*s->link = s->next;
	if (s->next != NULL)
		s->next->link = s->link;
	f->reader_count--;
	bool give_up = f->reader_count == 0 && f->fetch != NULL && !is_worth_finishing(f);
	if (give_up) {
		f->given_up = true;
		engine_cancel(f->fetch);
		if (f->storing && strcmp(f->method, "GET") == 0)
			store_refuse(f->flights->config.store, f->url,
			    "the client left, and nobody waited for the rest", f->status, flight_now());
	} else {
		flight_forget_read(f);
	}
	pthread_mutex_unlock(&f->lock);
	segment_drop(s->piece);
	flight_drop(f);
	free(s);
}
