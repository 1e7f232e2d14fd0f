/*
 * GET and HEAD through the cache. Each attempt gathers what is stored, makes a plan and acts on it. An attempt that
 * ends without a response is followed by another one, which looks the URL up again.
 */
#include "proxy/cache_handler.h"

#include "http/policy_storing.h"
#include "proxy/cache_fetch.h"
#include "proxy/ramcache.h"
#include "proxy/range_handler.h"
#include "proxy/stored_response.h"
#include "proxy/synthetic.h"

#include "base/log.h"
#include "base/stats.h"

#include <inttypes.h>
#include <stdio.h>

enum { ATTEMPTS = 8 };

/* --- gather --- */

/* Rows and parts of the URL. A row whose withdrawal is being written counts as withdrawn already. */
static void gather_stored(struct cache_attempt *t)
{
	struct exchange *x = t->x;
	struct selection *s = &t->stored;
	selection_init(s);
	t->landed = flight_generation(x->context->flights, x->target.url);
	int64_t withdrawn = flight_withdrawn_row(x->context->flights, x->target.url);
	if (store_find(x->context->store, x->target.url, &s->rows) == INDEX_FOUND) {
		for (size_t i = 0; i < s->rows.count && withdrawn != 0; i++)
			if (s->rows.entries[i]->id == withdrawn)
				s->rows.entries[i]->stale_until = POLICY_STORING_WITHDRAWN;
		selection_choose(s, x->request);
	}
	if (s->entry == NULL && !t->ask.no_parts)
		range_handler_find(x, &s->parts);
}

/* Only requests with a range or a condition depend on the fetches of the URL: the others spare themselves the locks. */
static void gather_fetches(struct cache_attempt *t)
{
	const struct exchange *x = t->x;
	bool range = message_has(x->request, "Range");
	t->ask.passes = false;
	t->ask.received = 0;
	t->ask.body_bytes = -1;
	if (range || (t->stored.entry == NULL && selection_is_conditional(x->request)))
		t->ask.passes = flight_is_unshareable(x->context->flights, x->target.url);
	if (range)
		t->ask.received = flight_arrived(x->context->flights, x->target.url, &t->ask.body_bytes);
}

/* --- act --- */

/* A plain fresh hit may be kept in memory for the loops: a response that is the only variant, needs no verification,
 * and whose target means the same URL to every client at any time. */
static void offer_to_ramcache(struct cache_attempt *t)
{
	struct exchange *x = t->x;
	const struct entry *e = t->plan.entry;
	if (x->context->root.fd >= 0 && x->target.form == KEY_PREFIX && x->target.path != NULL)
		return;                 /* a file of that name may appear under --root */
	if (x->target.form == KEY_SITE) /* the target means nothing without Host */
		return;
	if (x->site != NULL && x->site_host.len == 0) /* in absolute form */
		return;
	if (x->fetch_url != NULL) /* each value of the ignored parameters would take a place of its own */
		return;
	bool plain = t->plan.action == SELECTION_HIT && e->body_bytes <= RAMCACHE_BODY &&
		     span_is(x->request->method, "GET") && t->stored.rows.count == 1 && e->vary[0] == '\0' &&
		     !e->unsynced;
	if (x->context->ramcache != NULL && plain && x->ramcache == NULL)
		x->ramcache = entry_copy(e);
	if (x->ramcache == NULL)
		return;
	/* The rules are given back before it is composed. */
	struct rule_decision room;
	x->decision = *rules_for_status(&x->decision, x->target.url, e->status, &room);
	x->ramcache->rules = x->rules->generation;
	x->ramcache->ready_until = t->plan.use.fresh_until;
	x->ramcache->ready_rule = t->plan.use.rule_id;
}

/* HIT, STALE, STALE_AND_REFRESH. False: the body file is gone, and nothing was sent. */
static bool respond_stored(struct cache_attempt *t)
{
	struct exchange *x = t->x;
	const struct selection_plan *plan = &t->plan;
	char cache[RESPONSE_HEAD_STATUS];
	bool fresh = plan->action == SELECTION_HIT;
	if (fresh)
		response_head_hit(cache, plan->use.ttl_s, plan->use.rule_id);
	else
		snprintf(cache, sizeof cache, "hit; ttl=%" PRId64 "; detail=\"%.150s\"", plan->use.ttl_s, plan->reason);
	if (stored_response_send(x, plan->entry, plan->use.age_s, cache, span_make(NULL, 0)) != 0)
		return false;
	x->verdict = fresh ? "hit" : "stale";
	stats_add(fresh ? STATS_HITS : STATS_STALE_HITS, 1);
	if (plan->action == SELECTION_STALE_AND_REFRESH)
		cache_fetch_refresh(t);
	offer_to_ramcache(t);
	return true;
}

/* OFFLINE_STALE by a rule. False: the body file is gone, and nothing was sent. */
static bool respond_offline_stale(struct cache_attempt *t)
{
	char why[48];
	snprintf(why, sizeof why, "rule %" PRId64 ": offline", t->plan.rule_id);
	return stored_response_send_stale(t->x, &t->plan, "hit", why);
}

enum acted {
	ACTED_RESPONDED,
	ACTED_AGAIN, /* look the URL up again */
	ACTED_LOST   /* a body file is gone: decide again without it */
};

static enum acted act(struct cache_attempt *t)
{
	struct exchange *x = t->x;
	bool by_rule = t->plan.rule_id != 0;
	switch (t->plan.action) {
	case SELECTION_HIT:
	case SELECTION_STALE:
	case SELECTION_STALE_AND_REFRESH:
		if (respond_stored(t))
			return ACTED_RESPONDED;
		t->stored.lost_body = true;
		return ACTED_LOST;
	case SELECTION_PARTS:
		if (range_handler_respond(x, &t->stored.parts, &t->plan))
			return ACTED_RESPONDED;
		t->stored.lost_parts = true;
		return ACTED_LOST;
	case SELECTION_OFFLINE_STALE:
		if (by_rule && !respond_offline_stale(t)) {
			t->stored.lost_body = true;
			return ACTED_LOST;
		}
		if (!by_rule)
			cache_fetch_offline(t);
		return ACTED_RESPONDED;
	case SELECTION_OFFLINE:
		if (by_rule)
			synthetic_offline(x);
		else
			cache_fetch_offline(t);
		return ACTED_RESPONDED;
	case SELECTION_ONLY_IF_CACHED:
		synthetic_text(x, 504, "detail=\"only-if-cached, RFC 9111 5.2.1.7\"",
		    "%s is not stored or not fresh, and the request says only-if-cached", x->target.url);
		return ACTED_RESPONDED;
	case SELECTION_DENY:
		synthetic_denied(x);
		return ACTED_RESPONDED;
	case SELECTION_VALIDATE:
	case SELECTION_FETCH:
	case SELECTION_FETCH_RANGE:
	case SELECTION_PASS:
		break;
	}
	return cache_fetch(t) ? ACTED_RESPONDED : ACTED_AGAIN;
}

static void plan(struct cache_attempt *t)
{
	gather_stored(t);
	gather_fetches(t);
	selection_decide(&t->stored, &t->ask, t->x->now, &t->plan);
}

/* Acts on the plan, or on the response of the flight that the attempt leads already. True: the client has its response.
 */
static bool finish(struct cache_attempt *t, bool leads)
{
	enum acted acted = !leads ? act(t) : cache_fetch_finish(t) ? ACTED_RESPONDED : ACTED_AGAIN;
	while (acted == ACTED_LOST) {
		selection_decide(&t->stored, &t->ask, t->x->now, &t->plan);
		acted = act(t);
	}
	selection_fini(&t->stored);
	return acted == ACTED_RESPONDED;
}

/* A plain miss: nothing is stored that the response could be combined with, no rule changes where it comes from, and
 * the origin speaks no TLS, whose handshake would make other clients of the loop wait. */
static bool is_plain_miss(const struct cache_attempt *t)
{
	const struct exchange *x = t->x;
	return t->plan.action == SELECTION_FETCH && t->plan.shared && t->stored.rows.count == 0 &&
	       t->stored.parts.of == NULL && !x->decision.follow_redirects &&
	       !flight_is_secure(x->context->flights, x->fetch_url != NULL ? x->fetch_url : x->target.url);
}

void cache_handler_begin(struct exchange *x)
{
	struct cache_attempt *t = x->attempt;
	*t = (struct cache_attempt){.x = x,
	    .ask = {.head = x->request,
		.directives = &x->demand,
		.policy = &x->context->policy,
		.rules = &x->decision,
		.offline = x->context->offline}};
	request_directives_read(x->request, &x->demand);
	plan(t);
	x->state = EXCHANGE_PLANNED;
	if (x->loop != NULL && is_plain_miss(t) && cache_fetch_lead(t))
		x->state = EXCHANGE_WAITS;
}

void cache_handler_end(struct exchange *x)
{
	struct cache_attempt *t = x->attempt;
	bool responded = finish(t, x->state == EXCHANGE_WAITS);
	x->state = EXCHANGE_OVER;
	for (int i = 1; i < ATTEMPTS && !responded; i++) {
		plan(t);
		responded = finish(t, false);
	}
	if (responded)
		return;
	log_trouble("turns",
	    "%s: no attempt led to a response, because what is stored keeps changing (see `curlew show`)",
	    x->target.url);
	synthetic_text(x, 503, "fwd=miss", "%s: what is stored keeps changing: try again", x->target.url);
}

void cache_handler_abandon(struct exchange *x)
{
	flight_reader_leave(x->attempt->reader);
	selection_fini(&x->attempt->stored);
	x->state = EXCHANGE_OVER;
}
