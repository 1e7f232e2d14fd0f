/*
 * Bytes of two responses become one body only by a strong validator (RFC 9110 15.3.7.3, RFC 9111 3.4), with the same
 * content coding, and at the place that was requested. If any of these fails, the body stays broken off: bytes of two
 * versions are never put together.
 *
 * A body is resumed up to RESUMES times, and only if the fetch before brought at least one byte: an origin that closes
 * every connection at once is not asked for ever.
 */
#include "fetch/flight_range.h"

#include "base/stats.h"
#include "fetch/flight_fetch.h"
#include "fetch/flight_state.h"
#include "fetch/flight_store.h"
#include "fetch/flight_table.h"
#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/key.h"
#include "http/policy_storing.h"
#include "http/stored_fields.h"

#include <stdlib.h>
#include <string.h>

enum { RESUMES = 5 };

/* --- completing stored parts --- */

/* Makes the head of the whole: the stored fields, updated by those of the 206 (RFC 9111 3.4). */
static bool combine_heads(
    const struct partial_body *p, const struct head *response, struct head *combined, struct buf *text)
{
	struct head stored;
	message_init(&stored);
	bool ok = message_parse_fields(&stored, span_of(p->of->headers)) == 0 &&
		  stored_fields_update(&stored, response, false, text) == 0 &&
		  stored_fields_add_cookies(response, text) == 0 && message_parse_fields(combined, buf_span(text)) == 0;
	message_fini(&stored);
	return ok;
}

const struct head *flight_range_first_head(
    struct flight *f, const struct head *response, struct head *combined, struct buf *text)
{
	int64_t whole;
	struct partial_body *p = f->partial;
	f->expected_end = -1;
	if (p == NULL)
		return response;
	bool fits =
	    partial_body_fits(p, response, flight_state_now(), &whole) && combine_heads(p, response, combined, text);
	pthread_mutex_lock(&f->lock);
	if (fits) {
		combined->status = f->status = 200;
		f->body_bytes = whole;
		/* The buffer begins where the hole does; what comes before it is read from the parts' files. */
		f->buffer.start = f->buffer.end = f->received = p->hole_first;
		f->expected_end = p->hole_last >= 0 ? p->hole_last + 1 : whole;
	} else {
		f->partial = NULL;
	}
	pthread_mutex_unlock(&f->lock);
	if (fits)
		return combined;
	partial_body_free(p); /* no reader has seen it: none reads before STREAMING */
	return response;
}

/* --- resuming --- */

void flight_range_note_validator(struct flight *f, const struct head *response)
{
	/* Whether a range belongs to an encoded body of unknown length cannot be known: each transfer may encode it to
	 * other bytes. */
	bool measured = f->body_bytes >= 0 || !content_coding_is_present(response);
	bool whole = f->status == 200 && strcmp(f->method, "GET") == 0 && !f->has_body && measured;
	struct span validator = conditions_strong_validator(response, flight_state_now(), &f->resume.validator_is_tag);
	if (whole && validator.len > 0)
		f->resume.validator = strndup(validator.at, validator.len);
}

/* Conditions of the first request are left out: the resumed one has its own. */
static bool is_condition(struct span line)
{
	static const char *const names[] = {"Range:", "If-Range:", "If-None-Match:", "If-Modified-Since:"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_starts_nocase(line, names[i]))
			return true;
	return false;
}

/* The last byte to request, -1: all up to the end. It is not the end where a part is stored after the hole. */
static int64_t last_wanted(const struct flight *f)
{
	return f->expected_end >= 0 && f->expected_end != f->body_bytes ? f->expected_end - 1 : -1;
}

/* The request for the rest. 0, or -1: it is too large. */
static int make_fields(const struct flight *f, struct buf *out)
{
	struct span fields = span_of(f->fields), line;
	while (span_next_line(&fields, &line)) {
		if (is_condition(line))
			continue;
		buf_addspan(out, line);
		buf_addc(out, '\n');
	}
	return partial_body_add_range(out, f->received, last_wanted(f), span_of(f->resume.validator));
}

static bool may_resume(const struct flight *f, enum engine_outcome outcome)
{
	bool broke_off = outcome == ENGINE_BROKEN || outcome == ENGINE_TIMEOUT;
	bool wanted = f->reader_count > 0 || f->background || f->storing;
	return broke_off && wanted && f->state == FLIGHT_STREAMING && f->resume.validator != NULL && !f->is_part &&
	       !f->invalidated && !f->cancelled && !f->resume.refused && f->resume.count < RESUMES &&
	       f->received > f->resume.at && /* the last attempt brought something */
	       f->buffer.end == f->received; /* and nothing of it was lost */
}

bool flight_range_resume(struct flight *f, enum engine_outcome outcome)
{
	if (!may_resume(f, outcome))
		return false;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	bool begun = false;
	/* Before the fetch begins: its callbacks may come at once, on another thread. */
	f->resume.waits = true;
	f->resume.count++;
	f->resume.at = f->received;
	f->paused = false; /* the new fetch is not */
	if (make_fields(f, &fields) == 0) {
		struct flight_fetch_request request = {.fields = buf_span(&fields),
		    .upload_bytes = ENGINE_NO_UPLOAD,
		    .trusted = f->flights->config.trusted && key_same_origin(f->url, f->fetch_url)};
		begun = flight_fetch_continue(f, &request) == 0;
	}
	buf_fini(&fields);
	if (begun)
		stats_add(STATS_RESUMED, 1);
	else
		f->resume.waits = false;
	return begun;
}

/* If the response with the rest may not be stored, neither may the whole (RFC 9111 5.2.2.5). */
static bool may_store(const struct flight *f, const struct head *response, char reason[POLICY_REASON])
{
	int64_t now = flight_state_now();
	struct policy_storing verdict;
	struct policy_exchange x = {.request = &f->request,
	    .response = response,
	    .asked_at = now,
	    .answered_at = now,
	    .decision = &f->decision,
	    .part = true};
	policy_storing_judge(&f->flights->config.policy, &x, &verdict);
	memcpy(reason, verdict.reason, POLICY_REASON);
	return verdict.store;
}

static bool has_same_coding(const struct flight *f, const struct head *response)
{
	struct head first;
	message_init(&first);
	bool same = message_parse_fields(&first, buf_span(&f->head)) == 0 && content_coding_is_same(&first, response);
	message_fini(&first);
	return same;
}

void flight_range_next_head(struct flight *f, const struct head *response)
{
	char reason[POLICY_REASON];
	int64_t whole = f->body_bytes;
	bool fits = has_same_coding(f, response) &&
		    partial_body_matches(response, flight_state_now(), f->received, last_wanted(f), &whole,
			span_of(f->resume.validator), f->resume.validator_is_tag);
	bool storable = !fits || may_store(f, response, reason);
	pthread_mutex_lock(&f->lock);
	f->resume.waits = false;
	if (!storable && f->storing) { /* only once: readers keep a pointer to the text */
		memcpy(f->resume.reason, reason, sizeof f->resume.reason);
		flight_store_give_up(f, f->resume.reason);
	}
	if (fits) {
		if (f->expected_end < 0)
			f->expected_end = whole;
	} else {
		/* Bytes may still arrive before the engine does this; on_data ignores them. */
		f->resume.refused = true;
		if (f->fetch != NULL)
			engine_cancel(f->fetch);
	}
	pthread_mutex_unlock(&f->lock);
}
