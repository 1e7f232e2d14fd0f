/*
 * A plan that needs the origin: begin a flight or join one, wait for its head, respond.
 *
 * What is stored may still become the response: refreshed by a 304, or served stale where the origin fails. An attempt
 * ends without a response when a flight was stored between look-up and join, when a shared response was not for this
 * request, when a 304 freshened nothing, or when the origin does not complete the stored parts.
 */
#include "proxy/cache_fetch.h"

#include "http/conditions.h"
#include "http/stored_fields.h"
#include "proxy/compressed.h"
#include "proxy/deliver.h"
#include "proxy/forward.h"
#include "proxy/range_handler.h"
#include "proxy/request_body.h"
#include "proxy/stored_response.h"
#include "proxy/synthetic.h"

#include "base/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* --- a flight --- */

static enum forward_conditions conditions_of(const struct selection_plan *plan)
{
	switch (plan->action) {
	case SELECTION_VALIDATE:
		return FORWARD_STORED;
	case SELECTION_FETCH:
		return FORWARD_NONE;
	case SELECTION_FETCH_RANGE:
	case SELECTION_PASS:
	case SELECTION_HIT:
	case SELECTION_STALE:
	case SELECTION_STALE_AND_REFRESH:
	case SELECTION_PARTS:
	case SELECTION_OFFLINE_STALE:
	case SELECTION_OFFLINE:
	case SELECTION_ONLY_IF_CACHED:
	case SELECTION_DENY:
		break;
	}
	return FORWARD_CLIENTS;
}

static struct flight_ask flight_for(const struct cache_attempt *t)
{
	const struct exchange *x = t->x;
	return (struct flight_ask){
	    .method = x->request->method,
	    .url = x->target.url,
	    .fetch_url = x->fetch_url,
	    .decision = &x->decision,
	    .rules = x->rules,
	    .coding = compressed_wanted(x->context, x->request),
	    .purge_id = x->rules->purge_id,
	    .was = t->plan.entry,
	    .variants = t->stored.entry == NULL ? &t->stored.validators : NULL,
	    .conditional = t->plan.action == SELECTION_VALIDATE,
	    .shared = t->plan.shared,
	    .second = t->awaited_other,
	    .upload_bytes = ENGINE_NO_UPLOAD,
	    .max_age_s = x->demand.max_age_s,
	    .generation = t->landed,
	    .request = x->request,
	    .gone = x->sink->gone,
	    .gone_ctx = x->sink,
	};
}

void cache_fetch_refresh(const struct cache_attempt *t)
{
	struct exchange *x = t->x;
	struct buf fields;
	struct flight_reader *reader = NULL;
	buf_init(&fields, BUF_HEAD);
	if (forward_fields(x, FORWARD_STORED, &t->stored.validators, &fields) == 0) {
		struct flight_ask ask = flight_for(t);
		ask.method = span_of("GET"); /* also for HEAD */
		ask.fields = buf_span(&fields);
		ask.conditional = t->plan.entry->etag != NULL || t->plan.entry->last_modified != NULL;
		ask.shared = true;
		ask.background = true;
		ask.second = false;
		ask.max_age_s = -1;
		ask.gone = NULL; /* it goes on without this client */
		ask.gone_ctx = NULL;
		flight_join(x->context->flights, &ask, &reader);
		flight_reader_leave(reader);
	}
	buf_fini(&fields);
}

/* Begins a flight, or joins one that is in progress. */
static enum flight_joined join(struct cache_attempt *t, struct flight_ask *ask, struct flight_reader **reader)
{
	struct exchange *x = t->x;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	enum flight_joined joined = FLIGHT_NO_MEMORY;
	if (t->plan.action == SELECTION_FETCH && t->stored.parts.of != NULL)
		ask->partial = partial_body_to_complete(x->context->store, &t->stored.parts);
	if (forward_fields(x, conditions_of(&t->plan), &t->stored.validators, &fields) == 0 &&
	    (ask->partial == NULL || partial_body_fields(ask->partial, x->now, &fields) == 0)) {
		ask->fields = buf_span(&fields);
		joined = flight_join(x->context->flights, ask, reader);
	}
	buf_fini(&fields);
	if (joined != FLIGHT_LEADS) {
		partial_body_free(ask->partial);
		ask->partial = NULL;
	}
	return joined;
}

/* --- 304: the stored response is still good --- */

/* The Set-Cookie lines of a 304 belong to the client whose request caused it. */
static void own_cookies(const struct flight_response *a, struct buf *out)
{
	struct head head;
	message_init(&head);
	if (!a->reused && message_parse_fields(&head, a->fields) == 0)
		stored_fields_add_cookies(&head, out);
	message_fini(&head);
}

/* Cache-Status does not say "hit", because the request was forwarded (RFC 9211 2.2). */
static bool respond_refreshed(struct cache_attempt *t, const struct flight_response *a, bool follows)
{
	struct exchange *x = t->x;
	char cache[RESPONSE_HEAD_STATUS];
	const struct entry *e = a->entry;
	snprintf(cache, sizeof cache, "fwd=%s; fwd-status=%d%s; ttl=%" PRId64, t->plan.fwd, a->status,
	    follows ? "; collapsed" : "", e->fresh_until - x->now);
	int64_t since = x->now - e->fetched_at;
	struct buf cookies;
	buf_init(&cookies, BUF_HEAD);
	own_cookies(a, &cookies);
	int rc = stored_response_send(x, e, e->initial_age_s + (since > 0 ? since : 0), cache, buf_span(&cookies));
	buf_fini(&cookies);
	if (rc != 0)
		return false;
	x->verdict = follows ? "collapsed" : "revalidated";
	stats_add(follows ? STATS_COLLAPSED : STATS_REVALIDATED, 1);
	return true;
}

/* --- any other final response --- */

/* The client's conditions were not forwarded, and the new response meets them: send 304. The store keeps the rest. */
static bool respond_not_modified(
    struct exchange *x, struct flight_reader *reader, const struct flight_response *a, const char *cache)
{
	struct head head;
	bool met = false;
	message_init(&head);
	if (a->status == 200 && selection_is_conditional(x->request) && message_parse_fields(&head, a->fields) == 0) {
		head.status = a->status;
		met = conditions_judge(x->request, &head, x->now) == CONDITIONS_NOT_MODIFIED;
	}
	message_fini(&head);
	if (!met)
		return false;
	struct representation rep = {.status = 200,
	    .fields = a->fields,
	    .reused = a->reused,
	    .bytes = a->body_bytes,
	    .fd = -1,
	    .age_s = a->age_s,
	    .cache = cache};
	deliver_respond(x, &rep);
	flight_reader_leave_running(reader);
	return true;
}

static void describe(
    const struct selection_plan *plan, const struct flight_response *a, bool follows, char out[RESPONSE_HEAD_STATUS])
{
	int n = snprintf(out, RESPONSE_HEAD_STATUS, "fwd=%s; fwd-status=%d", plan->fwd, a->status);
	const char *unstored = a->stopped != NULL ? a->stopped : !a->stored ? a->reason : "";
	if (a->stored && a->stopped == NULL)
		n += snprintf(out + n, RESPONSE_HEAD_STATUS - (size_t)n, "; stored");
	if (follows)
		n += snprintf(out + n, RESPONSE_HEAD_STATUS - (size_t)n, "; collapsed");
	if (unstored[0] != '\0')
		snprintf(out + n, RESPONSE_HEAD_STATUS - (size_t)n, "; detail=\"%.160s\"", unstored);
}

/* Sends the origin's response while it arrives. */
static void stream(struct cache_attempt *t, struct flight_reader *reader, const struct flight_response *a, bool follows)
{
	struct exchange *x = t->x;
	char cache[RESPONSE_HEAD_STATUS];
	bool as_asked = conditions_of(&t->plan) == FORWARD_CLIENTS; /* then the response already is what the client
								       wants */
	describe(&t->plan, a, follows, cache);
	x->verdict = follows ? "collapsed" : a->stored ? "miss" : "pass";
	stats_add(follows ? STATS_COLLAPSED : a->stored ? STATS_MISSES : STATS_PASSED, 1);
	if (!as_asked && a->stored && respond_not_modified(x, reader, a, cache))
		return;
	if (as_asked || !message_has(x->request, "Range") || !range_handler_stream(x, reader, a, cache))
		forward_stream(x, reader, a, cache);
	flight_reader_leave(reader);
}

/* A final head has arrived. Takes the reader. True: the client has its response. */
static bool respond_arrived(
    struct cache_attempt *t, struct flight_reader *reader, const struct flight_response *a, bool follows)
{
	struct exchange *x = t->x;
	char cache[RESPONSE_HEAD_STATUS];
	bool is_5xx = a->status == 500 || (a->status >= 502 && a->status <= 504);
	if (a->status == 304 && t->plan.action == SELECTION_FETCH) {
		flight_reader_leave(reader);
		synthetic_text(x, 502, "fwd=miss; fwd-status=304",
		    "%s: the origin sent 304 (Not Modified), but the request had no conditions", x->target.url);
		return true;
	}
	if (a->status == 304 && t->plan.action == SELECTION_VALIDATE) { /* not about what is stored (RFC 9111 4.3.4) */
		t->ask.unconditional = t->ask.alone = true;
		flight_reader_leave(reader);
		return false;
	}
	snprintf(cache, sizeof cache, "fwd=%s; fwd-status=%d", t->plan.fwd, a->status);
	if (is_5xx && t->plan.use.stale_if_5xx &&
	    stored_response_send_stale(x, &t->plan, cache, "stale-if-error, RFC 5861 4")) {
		flight_reader_leave(reader);
		return true;
	}
	stream(t, reader, a, follows);
	return true;
}

/* --- no response --- */

/* 504: something is stored, but must not be served without the origin's consent. */
static void respond_must_validate(
    struct exchange *x, const struct selection_plan *plan, const struct flight_response *a, const char *cache)
{
	struct rule_decision room;
	const struct rule_decision *d =
	    rules_for_status(&x->decision, x->target.url, plan->entry != NULL ? plan->entry->status : 0, &room);
	x->outcome = a->outcome;
	x->curl_code = a->curl_code;
	if (plan->use.withdrawn)
		synthetic_text(x, 504, cache,
		    "%s: the origin has withdrawn the stored response, and the fetch failed: %s", x->target.url,
		    a->message);
	else if (d->stale_rule != 0)
		synthetic_text(x, 504, cache,
		    "%s: rule %lld: stale_ok_s=%lld forbids serving the stored response, and the fetch failed: %s",
		    x->target.url, (long long)d->stale_rule, (long long)d->stale_ok_s, a->message);
	else
		synthetic_text(x, 504, cache,
		    "%s: the stored response must be validated (RFC 9111 5.2.2.2), and the fetch failed: %s",
		    x->target.url, a->message);
}

static void respond_failed(struct cache_attempt *t, const struct flight_response *a)
{
	struct exchange *x = t->x;
	const struct policy_use *use = &t->plan.use;
	char cache[RESPONSE_HEAD_STATUS];
	bool reached = a->outcome == ENGINE_BAD; /* a response that is not HTTP counts as a 5xx */
	bool allowed = (reached ? use->stale_if_5xx : use->stale_if_unreachable) && a->outcome != ENGINE_NOT_ALLOWED &&
		       a->outcome != ENGINE_NO_MEMORY;
	snprintf(cache, sizeof cache, "fwd=%s", t->plan.fwd);
	if (allowed && stored_response_send_stale(x, &t->plan, cache,
			   reached ? "stale-if-error, RFC 5861 4" : "the origin cannot be reached, RFC 9111 4.2.4"))
		return;
	if (t->plan.entry != NULL && !reached && !use->stale_if_unreachable && a->outcome != ENGINE_NOT_ALLOWED)
		respond_must_validate(x, &t->plan, a, cache);
	else
		synthetic_failure(x, a, cache);
}

void cache_fetch_offline(struct cache_attempt *t)
{
	enum { COULDNT_CONNECT = 7 }; /* curl's number, for the exit status of `get` */
	struct flight_response failed = {
	    .outcome = ENGINE_OFFLINE, .curl_code = COULDNT_CONNECT, .message = "--offline is set"};
	respond_failed(t, &failed);
}

/* --- waiting --- */

/* A 206 or 416 to a request that was to complete the stored parts: it does not. */
static void give_up_parts(struct cache_attempt *t, int status)
{
	t->ask.no_parts = true;
	if (status == 416)
		store_drop_parts(t->x->context->store, t->x->target.url);
}

/* Waits for the flight and responds with what it brings. Takes the reader. False: look again. */
static bool wait_and_respond(struct cache_attempt *t, bool completes_parts, struct flight_reader *reader, bool follows)
{
	struct exchange *x = t->x;
	struct flight_response a;
	bool responded = true;
	enum flight_wait_result changed = forward_wait(x, reader, &a);
	x->now = (int64_t)time(NULL); /* what was fresh may be stale by now */
	selection_judge_again(&t->stored, &t->ask, x->now, &t->plan);
	switch (changed) {
	case FLIGHT_RESPONSE:
		if (!completes_parts || (a.status != 206 && a.status != 416))
			return respond_arrived(t, reader, &a, follows);
		give_up_parts(t, a.status);
		responded = false;
		break;
	case FLIGHT_REFRESHED:
		responded = respond_refreshed(t, &a, follows);
		if (!responded) /* its body is gone. Not to be shared: the flight of this 304 can still be joined */
			t->ask.unconditional = t->ask.alone = true;
		break;
	case FLIGHT_RELEASED:
		t->ask.alone = true;
		responded = false;
		break;
	case FLIGHT_LATE:
	case FLIGHT_OVERTAKEN:
		t->awaited_other = changed == FLIGHT_LATE;
		responded = false;
		break;
	case FLIGHT_FAILED:
		respond_failed(t, &a);
		break;
	case FLIGHT_GONE:
	case FLIGHT_INTERIM:
		x->close = true;
		break;
	}
	flight_reader_leave(reader);
	return responded;
}

bool cache_fetch(struct cache_attempt *t)
{
	struct exchange *x = t->x;
	struct flight_ask ask = flight_for(t);
	struct flight_reader *reader = NULL;
	if (!t->awaited_row && !x->demand.no_cache &&
	    flight_await_row(x->context->flights, x->target.url, !ask.shared)) {
		t->awaited_row = true;
		return false;
	}
	enum flight_joined joined = join(t, &ask, &reader);
	if (joined == FLIGHT_LOOK_AGAIN)
		return false;
	if (joined == FLIGHT_NO_MEMORY) {
		synthetic_text(x, 503, "fwd=miss", "out of memory: try again later");
		return true;
	}
	return wait_and_respond(t, ask.partial != NULL, reader, joined == FLIGHT_FOLLOWS);
}

bool cache_fetch_lead(struct cache_attempt *t)
{
	struct flight_ask ask = flight_for(t);
	ask.leads_only = true;
	ask.engine = t->x->loop->engine;
	ask.notify = t->x->loop->notify;
	ask.notify_ctx = t->x->body->conn;
	return join(t, &ask, &t->reader) == FLIGHT_LEADS;
}

bool cache_fetch_finish(struct cache_attempt *t)
{
	struct flight_reader *reader = t->reader;
	t->reader = NULL;
	return wait_and_respond(t, false, reader, false);
}
