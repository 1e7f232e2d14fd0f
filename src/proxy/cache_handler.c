/*
 * GET and HEAD through the cache: look up, select, judge, and answer from the store or from a flight (RFC 9111 4).
 *
 * Straight-line: each turn of the loop looks the URL up anew. It turns again when a flight landed between look-up and
 * join, when a shared answer turned out not to be for us (then we ask for ourselves), when a 304 freshened nothing, or
 * when a row had lost its body.
 */
#include "proxy/cache_handler.h"

#include "http/conditions.h"
#include "http/policy_storing.h"
#include "http/policy_use.h"
#include "http/stored_fields.h"
#include "proxy/deliver.h"
#include "proxy/forward.h"
#include "proxy/ramcache.h"
#include "proxy/range_handler.h"
#include "proxy/selection.h"
#include "proxy/synthetic.h"

#include "base/log.h"
#include "base/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 8 };

struct attempt {
	bool alone;         /* ask unshared */
	bool unconditional; /* ask without validators */
	bool passes;        /* the client's own conditions go along */
	bool settled;       /* waited once for a row on its way */
	bool apart;         /* waited long enough for another's fetch */
	bool no_parts;      /* the origin does not complete what is stored in parts */
};

/* --- looking up --- */

static void lookup_url(struct exchange *x, struct selection *l)
{
	selection_init(l);
	int64_t withdrawn = flight_table_withdrawing(x->context->flights, x->target.url);
	if (store_find(x->context->store, x->target.url, &l->rows) != INDEX_FOUND)
		return;
	for (size_t i = 0; i < l->rows.count && withdrawn != 0; i++)
		if (l->rows.entries[i]->id == withdrawn)
			l->rows.entries[i]->stale_until = POLICY_STORING_WITHDRAWN; /* as the row will say in a moment
										     */
	selection_choose(l, &x->context->policy, &x->demand, &x->decision, x->request, x->now);
}

/* --- answering from the store --- */

/* A plain fresh hit can be kept ready for the loops: one variant, not varying, not suspect, and not a name that a file
 * beneath --root may take any moment. */
static void offer_to_hot(struct exchange *x, const struct selection *l)
{
	const struct entry *e = l->entry;
	if (x->context->root.fd >= 0 && x->target.way == KEY_PREFIX && x->target.path != NULL)
		return;
	if (x->target.way == KEY_SITE) /* its target says nothing without Host */
		return;
	if (x->fetch_url != NULL) /* each signature would be an answer of its own */
		return;
	bool plain = l->use.verdict == POLICY_HIT && e->body_bytes <= RAMCACHE_BODY &&
		     span_is(x->request->method, "GET") && l->rows.count == 1 && e->vary[0] == '\0' && !e->unsynced;
	if (x->context->ramcache != NULL && plain && x->ramcache == NULL)
		x->ramcache = entry_copy(e);
	if (x->ramcache == NULL)
		return;
	x->ramcache->rules = x->rules->generation;
	x->ramcache->ready_until = l->use.fresh_until;
	x->ramcache->ready_rule = l->use.rule_id;
}

/* cookies: the Set-Cookie lines that came for this client. 0: answered. -1: the body is gone, nothing was sent. */
static int answer_stored(
    struct exchange *x, const struct entry *e, int64_t age_s, const char *cache, struct span cookies)
{
	int fd = -1;
	if (e->body_file != NULL && (fd = store_open_body(x->context->store, e)) < 0)
		return -1;
	struct representation rep = {
	    .status = e->status,
	    .fields = span_of(e->headers),
	    .reused = true,
	    .cookies = cookies,
	    .bytes = e->body_bytes,
	    .fd = fd,
	    .age_s = age_s,
	    .cache = cache,
	};
	store_used(x->context->store, e->id, 1, x->now);
	deliver_respond(x, &rep);
	if (fd >= 0)
		close(fd);
	return 0;
}

static void refresh_in_background(struct exchange *x, const struct selection *l, uint64_t landed)
{
	struct buf fields;
	struct flight_reader *reader = NULL;
	buf_init(&fields, BUF_HEAD);
	if (forward_fields(x, FORWARD_STORED, &l->asked, &fields) == 0) {
		struct flight_ask ask = {
		    .method = span_of("GET"),
		    .url = x->target.url,
		    .fetch_url = x->fetch_url,
		    .decision = &x->decision,
		    .purge_id = x->rules->purge_id,
		    .fields = buf_span(&fields),
		    .was = l->entry,
		    .conditional = l->entry->etag != NULL || l->entry->last_modified != NULL,
		    .shared = true,
		    .background = true,
		    .max_age_s = -1,
		    .upload_bytes = ENGINE_NO_UPLOAD,
		    .landed = landed,
		    .request = x->request,
		};
		flight_join(x->context->flights, &ask, &reader);
		flight_leave(reader);
	}
	buf_fini(&fields);
}

/* Answers without asking when the verdict allows it. */
static bool try_stored(struct exchange *x, struct selection *l, uint64_t landed)
{
	char cache[RESPONSE_HEAD_STATUS];
	if (l->entry == NULL)
		return false;
	switch (l->use.verdict) {
	case POLICY_HIT:
		response_head_hit(cache, l->use.ttl_s, l->use.rule_id);
		break;
	case POLICY_STALE:
	case POLICY_REFRESH:
		snprintf(cache, sizeof cache, "hit; ttl=%" PRId64 "; detail=\"%.150s\"", l->use.ttl_s, l->use.reason);
		break;
	case POLICY_REVALIDATE:
	case POLICY_MISS:
		return false;
	}
	if (answer_stored(x, l->entry, l->use.age_s, cache, span_make(NULL, 0)) != 0) {
		l->broken_body = true;
		return false;
	}
	bool fresh = l->use.verdict == POLICY_HIT;
	x->verdict = fresh ? "hit" : "stale";
	stats_add(fresh ? STATS_HITS : STATS_STALE_HITS, 1);
	if (l->use.verdict == POLICY_REFRESH && !x->context->offline && !x->decision.offline)
		refresh_in_background(x, l, landed);
	offer_to_hot(x, l);
	return true;
}

/* In place of what asking would bring: what is stored, where it is allowed (RFC 9111 4.2.4, RFC 5861 4). how: "hit", or
 * how it was asked. */
static bool try_stale(struct exchange *x, const struct selection *l, bool allowed, const char *how, const char *why)
{
	char cache[RESPONSE_HEAD_STATUS];
	if (l->entry == NULL || l->broken_body || !allowed)
		return false;
	snprintf(cache, sizeof cache, "%s; ttl=%" PRId64 "; detail=\"%s\"", how, l->use.ttl_s, why);
	if (answer_stored(x, l->entry, l->use.age_s, cache, span_make(NULL, 0)) != 0)
		return false;
	x->verdict = "stale";
	stats_add(STATS_STALE_HITS, 1);
	return true;
}

/* --- asking --- */

static const char *forward_reason(const struct selection *l)
{
	if (l->entry != NULL && l->use.fwd[0] != '\0') /* else it was fresh, and has lost its body */
		return l->use.fwd;
	if (l->parts.of != NULL)
		return "partial";
	return l->rows.count > 0 ? "vary-miss" : "uri-miss";
}

static bool asks_for_part(const struct exchange *x)
{
	return message_has(x->request, "Range");
}

static bool is_conditional(const struct exchange *x)
{
	return message_has(x->request, "If-None-Match") || message_has(x->request, "If-Modified-Since");
}

/* Is there anything stored that the origin may confirm? */
static bool can_validate(const struct selection *l, const struct attempt *t)
{
	if (t->unconditional || l->broken_body)
		return false;
	if (l->entry != NULL)
		return l->use.verdict != POLICY_MISS && (l->entry->etag != NULL || l->entry->last_modified != NULL);
	for (size_t i = 0; i < l->asked.count; i++)
		if (l->asked.entries[i]->etag != NULL)
			return true;
	return false;
}

/* How to ask for what the look-up did not answer. */
static enum forward_conditions choose(
    const struct exchange *x, const struct selection *l, const struct attempt *t, struct flight_ask *ask)
{
	bool get = span_is(x->request->method, "GET");
	ask->was = l->broken_body ? NULL : l->entry;
	ask->conditional = can_validate(l, t);
	ask->variants = l->entry == NULL ? &l->asked : NULL;
	ask->shared = get && !t->alone && !x->demand.no_cache && !x->demand.no_store;
	if (ask->conditional)
		return FORWARD_STORED;
	if (!get || t->passes || (asks_for_part(x) && (t->alone || !range_handler_wants_whole(x)))) {
		ask->shared = false;
		return FORWARD_CLIENTS;
	}
	return FORWARD_NONE;
}

/* The Set-Cookie lines of a 304, for the client whose request caused it. */
static void own_cookies(const struct flight_response *a, struct buf *out)
{
	struct head head;
	message_init(&head);
	if (!a->reused && message_parse_fields(&head, a->fields) == 0)
		stored_fields_add_cookies(&head, out);
	message_fini(&head);
}

/* A freshened row answers as a hit would, told as what it is (RFC 9211 2.2: forwarded, so not "hit"). */
static bool answer_refreshed(
    struct exchange *x, const struct selection *l, const struct flight_response *a, bool follows)
{
	char cache[RESPONSE_HEAD_STATUS];
	const struct entry *e = a->entry;
	snprintf(cache, sizeof cache, "fwd=%s; fwd-status=%d%s; ttl=%" PRId64, forward_reason(l), a->status,
	    follows ? "; collapsed" : "", e->fresh_until - x->now);
	int64_t since = x->now - e->fetched_at;
	struct buf cookies;
	buf_init(&cookies, BUF_HEAD);
	own_cookies(a, &cookies);
	int rc = answer_stored(x, e, e->initial_age_s + (since > 0 ? since : 0), cache, buf_span(&cookies));
	buf_fini(&cookies);
	if (rc != 0)
		return false;
	x->verdict = follows ? "collapsed" : "revalidated";
	stats_add(follows ? STATS_COLLAPSED : STATS_REVALIDATED, 1);
	return true;
}

/* The client asked with conditions that we did not pass on, and the new answer meets them: 304, and the store keeps the
 * rest. */
static bool answer_condition(
    struct exchange *x, struct flight_reader *reader, const struct flight_response *a, const char *cache)
{
	struct head head;
	bool met = false;
	message_init(&head);
	if (a->status == 200 && is_conditional(x) && message_parse_fields(&head, a->fields) == 0) {
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
	flight_leave_running(reader);
	return true;
}

static void describe(
    const struct selection *l, const struct flight_response *a, bool follows, char out[RESPONSE_HEAD_STATUS])
{
	int n = snprintf(out, RESPONSE_HEAD_STATUS, "fwd=%s; fwd-status=%d", forward_reason(l), a->status);
	const char *unstored = a->stopped != NULL ? a->stopped : !a->stored ? a->reason : "";
	if (a->stored && a->stopped == NULL)
		n += snprintf(out + n, RESPONSE_HEAD_STATUS - (size_t)n, "; stored");
	if (follows)
		n += snprintf(out + n, RESPONSE_HEAD_STATUS - (size_t)n, "; collapsed");
	if (unstored[0] != '\0')
		snprintf(out + n, RESPONSE_HEAD_STATUS - (size_t)n, "; detail=\"%.160s\"", unstored);
}

/* A final head has come. Takes the reader. True when the client has its answer. */
static bool answer_arrived(struct exchange *x, const struct selection *l, struct attempt *t,
    const struct flight_ask *ask, enum forward_conditions how, struct flight_reader *reader,
    const struct flight_response *a, bool follows)
{
	char cache[RESPONSE_HEAD_STATUS];
	if (a->status == 304 && how == FORWARD_NONE) {
		flight_leave(reader);
		synthetic_text(x, 502, "fwd=miss; fwd-status=304",
		    "%s: the origin says 304 (Not Modified) to a request without conditions", x->target.url);
		return true;
	}
	bool is_5xx = a->status == 500 || (a->status >= 502 && a->status <= 504);
	if (a->status == 304 && ask->conditional) { /* about something else than what we have (RFC 9111 4.3.4) */
		t->unconditional = t->alone = true;
		flight_leave(reader);
		return false;
	}
	snprintf(cache, sizeof cache, "fwd=%s; fwd-status=%d", forward_reason(l), a->status);
	if (is_5xx && try_stale(x, l, l->use.stale_if_5xx, cache, "stale-if-error, RFC 5861 4")) {
		flight_leave(reader);
		return true;
	}
	describe(l, a, follows, cache);
	x->verdict = follows ? "collapsed" : a->stored ? "miss" : "pass";
	stats_add(follows ? STATS_COLLAPSED : a->stored ? STATS_MISSES : STATS_PASSED, 1);
	if (how != FORWARD_CLIENTS && a->stored && answer_condition(x, reader, a, cache))
		return true;
	if (how == FORWARD_CLIENTS || !asks_for_part(x) || !range_handler_stream(x, reader, a, cache))
		forward_stream(x, reader, a, cache);
	flight_leave(reader);
	return true;
}

static bool answer_failed(struct exchange *x, const struct selection *l, const struct flight_response *a)
{
	char cache[RESPONSE_HEAD_STATUS];
	bool reached = a->outcome == ENGINE_BAD; /* its answer is none: as good as an error of its own */
	bool allowed = (reached ? l->use.stale_if_5xx : l->use.stale_if_unreachable) &&
		       a->outcome != ENGINE_NOT_ALLOWED && a->outcome != ENGINE_TROUBLE;
	snprintf(cache, sizeof cache, "fwd=%s", forward_reason(l));
	if (try_stale(x, l, allowed, cache,
		reached ? "stale-if-error, RFC 5861 4" : "the origin cannot be reached, RFC 9111 4.2.4"))
		return true;
	if (l->entry != NULL && !l->broken_body && !reached && !l->use.stale_if_unreachable &&
	    a->outcome != ENGINE_NOT_ALLOWED) {
		x->outcome = a->outcome;
		x->curl_code = a->curl_code;
		if (l->use.withdrawn)
			synthetic_text(x, 504, cache,
			    "%s: the origin has withdrawn what is stored, and asking again failed: %s", x->target.url,
			    a->message);
		else if (x->decision.stale_rule != 0)
			synthetic_text(x, 504, cache,
			    "%s: rule %lld: stale_ok_s=%lld lets nothing older be served, and asking failed: %s",
			    x->target.url, (long long)x->decision.stale_rule, (long long)x->decision.stale_ok_s,
			    a->message);
		else
			synthetic_text(x, 504, cache,
			    "%s: what is stored must be validated first (RFC 9111 5.2.2.2), and asking failed: %s",
			    x->target.url, a->message);
		return true;
	}
	synthetic_failure(x, a, cache);
	return true;
}

/* A rule keeps the URL off the network: what is stored will do, however old. */
static bool answer_offline(struct exchange *x, const struct selection *l)
{
	char why[48];
	snprintf(why, sizeof why, "rule %lld: offline", (long long)x->decision.offline_rule);
	if (!try_stale(x, l, l->use.stale_if_unreachable, "hit", why))
		synthetic_offline(x);
	return true;
}

/* Takes a reader in the fetch that is wanted: this one's, or one in the air. */
static enum flight_joined join(struct exchange *x, const struct selection *l, const struct attempt *t,
    enum forward_conditions how, struct flight_ask *ask, struct flight_reader **reader)
{
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	enum flight_joined joined = FLIGHT_NO_MEMORY;
	if (how == FORWARD_NONE && l->parts.of != NULL && !t->no_parts)
		ask->partial = partial_body_to_complete(x->context->store, &l->parts);
	if (forward_fields(x, how, &l->asked, &fields) == 0 &&
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

/* What the fetch brings, to the client; the reader is given up. False: look again. */
static bool hear(struct exchange *x, struct selection *l, struct attempt *t, struct flight_ask *ask,
    enum forward_conditions how, struct flight_reader *reader, bool follows)
{
	struct flight_response a;
	bool answered = true;
	enum flight_wait_result changed = forward_wait(x, reader, &a);
	x->now = (int64_t)time(NULL); /* what was fresh may be stale by now */
	selection_judge(l, &x->context->policy, &x->demand, &x->decision, x->now);
	switch (changed) {
	case FLIGHT_ANSWER:
		if (ask->partial == NULL || (a.status != 206 && a.status != 416))
			return answer_arrived(x, l, t, ask, how, reader, &a, follows);
		t->no_parts = true; /* not what we have the rest of */
		if (a.status == 416)
			store_drop_parts(x->context->store, x->target.url);
		answered = false;
		break;
	case FLIGHT_REFRESHED:
		answered = answer_refreshed(x, l, &a, follows);
		t->unconditional = !answered;
		break;
	case FLIGHT_RELEASED:
		t->alone = true;
		answered = false;
		break;
	case FLIGHT_LATE:
	case FLIGHT_OVERTAKEN:
		t->apart = changed == FLIGHT_LATE;
		answered = false;
		break;
	case FLIGHT_FAILED:
		answered = answer_failed(x, l, &a);
		break;
	case FLIGHT_GONE:
	case FLIGHT_INTERIM:
		x->close = true;
		break;
	}
	flight_leave(reader);
	return answered;
}

/* Fetches, or joins who does. True when the client has its answer, false to look the URL up once more. */
static bool url_argument_origin(struct exchange *x, struct selection *l, struct attempt *t, uint64_t landed)
{
	struct flight_ask ask = {
	    .method = x->request->method,
	    .url = x->target.url,
	    .fetch_url = x->fetch_url,
	    .decision = &x->decision,
	    .purge_id = x->rules->purge_id,
	    .upload_bytes = ENGINE_NO_UPLOAD,
	    .max_age_s = x->demand.max_age_s,
	    .landed = landed,
	    .apart = t->apart,
	    .request = x->request,
	    .gone = x->sink->gone,
	    .gone_ctx = x->sink,
	};
	t->passes = is_conditional(x) && l->entry == NULL && flight_table_passes(x->context->flights, x->target.url);
	enum forward_conditions how = choose(x, l, t, &ask);
	if (!t->settled && !x->demand.no_cache &&
	    flight_table_settle(x->context->flights, x->target.url, !ask.shared)) {
		t->settled = true;
		return false;
	}
	struct flight_reader *reader = NULL;
	enum flight_joined joined = join(x, l, t, how, &ask, &reader);
	if (joined == FLIGHT_LOOK_AGAIN)
		return false;
	if (joined == FLIGHT_NO_MEMORY) {
		synthetic_text(x, 503, "fwd=miss", "out of memory: try again later");
		return true;
	}
	return hear(x, l, t, &ask, how, reader, joined == FLIGHT_FOLLOWS);
}

void cache_handler_respond(struct exchange *x)
{
	struct attempt t = {0};
	request_directives_read(x->request, &x->demand);
	for (int i = 0; i < TURNS; i++) {
		struct selection l;
		uint64_t landed = flight_table_landed(x->context->flights, x->target.url);
		lookup_url(x, &l);
		bool answered = try_stored(x, &l, landed);
		if (!answered && l.entry == NULL && !t.no_parts) {
			range_handler_find(x, &l.parts);
			answered = range_handler_respond(x, &l.parts);
		}
		if (!answered && x->demand.only_if_cached) {
			synthetic_text(x, 504, "detail=\"only-if-cached, RFC 9111 5.2.1.7\"",
			    "%s is not stored or not fresh, and the request says only-if-cached", x->target.url);
			answered = true;
		}
		if (!answered && x->decision.offline)
			answered = answer_offline(x, &l);
		if (!answered)
			answered = url_argument_origin(x, &l, &t, landed);
		selection_fini(&l);
		if (answered)
			return;
	}
	log_trouble(
	    "turns", "%s: the cache and its origin disagree again and again (see `curlew show`)", x->target.url);
	synthetic_text(x, 503, "fwd=miss", "%s keeps changing under our hands: try again", x->target.url);
}
