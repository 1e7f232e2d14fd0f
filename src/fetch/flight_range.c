/*
 * Bodies that take more than one answer. Three ways lead here: parts of a body are stored and a fetch completes them
 * (the reserve); a fetch breaks off and the rest is asked for where it stopped, up to RESUMES times and only while that
 * brings something; or a rule follows redirects, and the body is at the end of them. Seats see one growing body each
 * time. The first two rest on a strong validator (RFC 9110 15.3.7.3): bytes of two versions are never put together.
 */
#include "fetch/flight_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/key.h"
#include "http/policy_storing.h"
#include "http/stored_fields.h"

#include <stdlib.h>
#include <string.h>

enum { RESUMES = 5, HOPS = 8 };

/* --- completing what is stored --- */

const struct head *flight_range_first_head(
    struct flight *f, const struct head *response, struct head *combined, struct buf *text)
{
	int64_t now = flight_now(), whole;
	struct partial_body *r = f->partial;
	struct head stored;
	f->expected_end = -1;
	if (r == NULL)
		return response;
	message_init(&stored);
	/* The stored fields, updated by what has just come (RFC 9111 3.4), are the head of the whole. */
	bool fits = partial_body_fits(r, response, now, &whole) &&
		    message_parse_fields(&stored, span_of(r->of->headers)) == 0 &&
		    stored_fields_update(&stored, response, false, text) == 0 &&
		    stored_fields_add_cookies(response, text) == 0 &&
		    message_parse_fields(combined, buf_span(text)) == 0;
	message_fini(&stored);
	pthread_mutex_lock(&f->lock);
	if (fits) {
		combined->status = f->status = 200;
		f->body_bytes = whole;
		f->buffer.start = f->buffer.end = f->received = r->hole_first;
		f->expected_end = r->hole_last >= 0 ? r->hole_last + 1 : whole;
	} else {
		f->partial = NULL;
	}
	pthread_mutex_unlock(&f->lock);
	if (fits)
		return combined;
	partial_body_free(r);
	return response;
}

/* --- going on where it broke off --- */

void flight_range_note_validator(struct flight *f, const struct head *response)
{
	/* Of an encoded body of unknown length, nobody can tell whether a range belongs to it. */
	bool measured = f->body_bytes >= 0 || !content_coding_is_present(response);
	bool whole = f->status == 200 && strcmp(f->method, "GET") == 0 && !f->has_body && measured;
	struct span validator = conditions_strong_validator(response, flight_now(), &f->validator_is_tag);
	if (whole && validator.len > 0)
		f->validator = strndup(validator.at, validator.len);
}

/* Ours to write anew. */
static bool is_condition(struct span line)
{
	static const char *const names[] = {"Range:", "If-Range:", "If-None-Match:", "If-Modified-Since:"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_starts_nocase(line, names[i]))
			return true;
	return false;
}

static int rest_fields(const struct flight *f, struct buf *out)
{
	struct span fields = span_of(f->fields), line;
	while (span_next_line(&fields, &line)) {
		if (is_condition(line))
			continue;
		buf_addspan(out, line);
		buf_addc(out, '\n');
	}
	bool to_the_end = f->expected_end < 0 || f->expected_end == f->body_bytes;
	return partial_body_ask(out, f->received, to_the_end ? -1 : f->expected_end - 1, span_of(f->validator));
}

/* --- redirects --- */

/* The way to what a rule denies is not through what it allows. */
static bool is_denied(const struct flight *f, const char *url)
{
	int64_t rule;
	struct rule_decision decision;
	const struct store_rules *rules = store_rules_take(f->flights->config.store);
	char *key = rules_key(rules->rules, url, &rule);
	rules_judge(rules->rules, key != NULL ? key : url, &decision);
	free(key);
	store_rules_drop(rules);
	return decision.deny || decision.offline;
}

bool flight_range_redirect(struct flight *f, const struct head *response)
{
	static const int statuses[] = {301, 302, 303, 307, 308};
	bool redirects = false;
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		redirects = redirects || response->status == statuses[i];
	struct span location = message_find(response, "Location");
	if (!redirects || !f->follows || location.at == NULL || f->hops >= HOPS)
		return false;
	f->redirect = key_resolve(f->fetch_url, location); /* http and https only */
	if (f->redirect == NULL || is_denied(f, f->redirect)) {
		free(f->redirect);
		f->redirect = NULL;
		return false;
	}
	f->hops++;
	pthread_mutex_lock(&f->lock);
	if (f->fetch != NULL)
		engine_cancel(f->fetch); /* nobody wants the body of a redirect */
	pthread_mutex_unlock(&f->lock);
	return true;
}

/* What is for the eyes of the origin that was asked is not told to another (RFC 9110 15.4). */
static bool is_secret(struct span line)
{
	return span_starts_nocase(line, "Authorization:") || span_starts_nocase(line, "Cookie:");
}

/* Under the lock. True when the fetch has begun again. */
static bool follow(struct flight *f)
{
	bool same_origin = key_same_origin(f->url, f->redirect);
	struct span rest = span_of(f->fields), line;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	while (span_next_line(&rest, &line)) {
		if (!same_origin && is_secret(line))
			continue;
		buf_addspan(&fields, line);
		buf_addc(&fields, '\n');
	}
	free(f->fetch_url);
	f->fetch_url = f->redirect;
	f->redirect = NULL;
	/* --origin is trusted, not where it points. */
	struct fetch_spec spec = {.method = f->method,
	    .url = f->fetch_url,
	    .fields = buf_span(&fields),
	    .upload_bytes = ENGINE_NO_UPLOAD,
	    .trusted = f->flights->config.trusted && same_origin,
	    .idempotent = true};
	f->fetch = fields.failed ? NULL : engine_start(f->flights->engine, &spec, &flight_receive_ops, f);
	buf_fini(&fields);
	return f->fetch != NULL;
}

/* --- going on --- */

bool flight_range_try(struct flight *f, enum engine_outcome outcome)
{
	if (f->redirect != NULL && !f->given_up && !f->flights->config.engine.offline)
		return follow(f);
	bool broke_off = outcome == ENGINE_BROKEN || outcome == ENGINE_TIMEOUT;
	bool wanted = f->reader_count > 0 || f->background || f->storing;
	if (!broke_off || f->state != FLIGHT_STREAMING || f->validator == NULL || f->is_part || f->forgotten ||
	    f->given_up || !wanted || f->resume_refused || f->resumes >= RESUMES || f->received <= f->resumed_at ||
	    f->buffer.end != f->received)
		return false;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	if (rest_fields(f, &fields) == 0) {
		struct fetch_spec spec = {.method = f->method,
		    .url = f->fetch_url,
		    .fields = buf_span(&fields),
		    .upload_bytes = ENGINE_NO_UPLOAD,
		    .trusted = f->flights->config.trusted && key_same_origin(f->url, f->fetch_url),
		    .idempotent = true};
		f->fetch = engine_start(f->flights->engine, &spec, &flight_receive_ops, f);
	}
	buf_fini(&fields);
	if (f->fetch == NULL)
		return false;
	f->resuming = true;
	f->resumes++;
	f->resumed_at = f->received;
	f->paused = false;
	stats_add(STATS_RESUMED, 1);
	return true;
}

/* A part of the whole that may not be stored keeps the whole from it (RFC 9111 5.2.2.5). */
static bool may_store(const struct flight *f, const struct head *response, char reason[POLICY_REASON])
{
	int64_t now = flight_now();
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

static bool is_in_the_same_coding(const struct flight *f, const struct head *response)
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
	int64_t last = f->expected_end >= 0 && f->expected_end != whole ? f->expected_end - 1 : -1;
	bool fits = is_in_the_same_coding(f, response) && partial_body_answers(response, flight_now(), f->received,
							      last, &whole, span_of(f->validator), f->validator_is_tag);
	bool stored = !fits || may_store(f, response, reason);
	pthread_mutex_lock(&f->lock);
	f->resuming = false;
	if (!stored)
		flight_store_give_up(f, reason);
	if (fits) {
		if (f->expected_end < 0)
			f->expected_end = whole;
	} else {
		f->resume_refused = true;
		if (f->fetch != NULL)
			engine_cancel(f->fetch);
	}
	pthread_mutex_unlock(&f->lock);
}
