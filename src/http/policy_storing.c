/*
 * May a response be stored, and for how long is it fresh (RFC 9111 3).
 *
 * The verdict ends in columns of the row. A user may change them before the response is used.
 */
#include "http/policy_storing.h"

#include "http/date.h"
#include "http/directives.h"
#include "http/policy_freshness.h"
#include "http/request_directives.h"
#include "http/status.h"

#include <stdio.h>

/* These statuses are for one request and not for the URL, so no lifetime makes them reusable. */
static const char *unstorable_status(int status)
{
	switch (status) {
	case 206:
		return "206 is a part, RFC 9111 3.3";
	case 304:
		return "304 has no body of its own, RFC 9111 4.3.4";
	case 401:
	case 407:
		return "the response depends on credentials, RFC 9110 11.6.1";
	case 412:
	case 416:
	case 417:
		return "the response depends on the conditions of the request, RFC 9110 15.5";
	case 428:
	case 429:
	case 431:
	case 511:
		return "this status is never stored, RFC 6585";
	}
	if (status < 200 || status > 599)
		return "not a final response, RFC 9111 3";
	return NULL;
}

static bool is_post_of_target(const struct policy_exchange *x)
{
	return x->represents_target && span_is(x->request->method, "POST") && x->response->status == 200;
}

static bool varies_on_everything(const struct head *response)
{
	return message_lists(response, "Vary", "*");
}

/* The result of refusal() for a rule. The verdict then names the rule. */
static const char never_by_rule[] = "a rule says never to store it";

/* Why the response may not be stored whatever its lifetime; NULL when it may (RFC 9111 3, 3.5). */
static const char *refusal(const struct policy *policy, const struct policy_exchange *x, const struct directives *d)
{
	const char *status = unstorable_status(policy_judged_status(x));
	struct request_directives request;
	request_directives_read(x->request, &request);
	if (!span_is(x->request->method, "GET") && !is_post_of_target(x))
		return "only responses to GET are stored, RFC 9111 3";
	if (status != NULL)
		return status;
	if (request.no_store)
		return "no-store in the request, RFC 9111 5.2.1.5";
	if (x->decision != NULL && x->decision->store == 0)
		return never_by_rule;
	/* With must-understand, no-store is only for those who do not know the status (5.2.2.3). */
	if (d->must_understand && status_reason(x->response->status)[0] == '\0')
		return "must-understand with an unknown status, RFC 9111 5.2.2.3";
	if (d->no_store && !d->must_understand && !policy_is_told_to_store(x->decision))
		return "no-store, RFC 9111 5.2.2.5";
	if (d->is_private && !policy->private_cache && !policy_is_told_to_store(x->decision))
		return "private, RFC 9111 5.2.2.7";
	if (!policy->private_cache && message_has(x->request, "Authorization") && !d->is_public &&
	    !d->must_revalidate && d->s_maxage_s == -1)
		return "the request had Authorization, RFC 9111 3.5";
	if (varies_on_everything(x->response))
		return "Vary: *, RFC 9111 4.1";
	return NULL;
}

static bool has_validator(const struct head *response, int64_t now)
{
	int64_t at;
	return message_find(response, "ETag").len > 0 || date_find(response, "Last-Modified", now, &at);
}

/* Why the response is not worth storing: the last conditions of RFC 9111 3, and more. NULL: store it. */
static const char *worthless(const struct policy *policy, const struct policy_exchange *x, const struct directives *d,
    const struct lifetime *life, int64_t stale_for_s)
{
	bool marked = d->is_public || (d->is_private && policy->private_cache);
	bool validator = has_validator(x->response, x->answered_at);
	if (life->kind == LIFETIME_RULED || policy_is_told_to_store(x->decision))
		return NULL;
	if (life->kind != LIFETIME_STATED && !marked && !status_is_heuristic(policy_judged_status(x)))
		return "this status needs a stated lifetime, RFC 9111 3";
	if (life->kind != LIFETIME_STATED && is_post_of_target(x))
		return "a response to POST needs a stated lifetime, RFC 9110 9.3.3";
	if (life->kind == LIFETIME_NONE && !validator)
		return "neither lifetime nor validator, RFC 9111 3";
	if (life->seconds == 0 && !validator && stale_for_s == 0)
		return "never fresh, no validator, and must not be served stale";
	if (d->no_cache && !validator)
		return "no-cache and no validator, RFC 9111 5.2.2.4";
	/* Nothing in the response says that other clients may have it. */
	if ((life->seconds == 0 || d->no_cache) && !policy_keeps_cookies(policy, x->decision) && !d->is_public &&
	    policy_sets_cookie(x->response))
		return "Set-Cookie without a lifetime, RFC 9111 7.3";
	return NULL;
}

static void explain_storing(const struct directives *d, const struct lifetime *life, struct policy_storing *out)
{
	char where[POLICY_REASON / 3] = "";
	if (d->field != NULL)
		snprintf(where, sizeof where, " in %.24s (RFC 9213)", d->field);
	char by[40] = "";
	if (out->rule_id != 0)
		snprintf(by, sizeof by, "rule %lld: store=1; ", (long long)out->rule_id);
	if (life->kind == LIFETIME_RULED)
		policy_explain(out->reason, "%s, %s", life->text, life->section);
	else if (d->no_cache)
		policy_explain(out->reason, "%sno-cache%s: validated at each use, RFC 9111 5.2.2.4", by, where);
	else if (life->kind == LIFETIME_NONE && out->rule_id != 0)
		policy_explain(out->reason, "%sno lifetime, validated at each use", by);
	else if (life->kind == LIFETIME_NONE)
		policy_explain(out->reason, "a validator but no lifetime: validated at each use, RFC 9111 4.3");
	else if (life->seconds > 0 && out->fresh_for_s <= 0)
		policy_explain(out->reason, "%s%s%s, and %lld s old on arrival, RFC 9111 4.2.3", by, life->text, where,
		    (long long)out->initial_age_s);
	else
		policy_explain(out->reason, "%s%s%s, %s", by, life->text, where, life->section);
}

void policy_storing_judge(
    const struct policy *policy, const struct policy_exchange *exchange, struct policy_storing *out)
{
	struct directives d;
	struct lifetime life;
	memset(out, 0, sizeof *out);
	directives_of_response(&d, exchange->response, policy->targets, policy->target_count);
	const char *why = refusal(policy, exchange, &d);
	out->initial_age_s = policy_freshness_initial_age(exchange); /* sent to clients even if not stored */
	if (why == NULL) {
		policy_freshness_lifetime(&life, policy, exchange, &d);
		out->stale_for_s = policy_freshness_stale_for(policy, &d);
		why = worthless(policy, exchange, &d, &life, out->stale_for_s);
	}
	if (why != NULL) {
		out->stale_for_s = 0;
		if (why != never_by_rule) {
			policy_explain(out->reason, "%s", why);
			return;
		}
		out->rule_id = exchange->decision->store_rule;
		policy_explain(out->reason, "rule %lld: store=0", (long long)out->rule_id);
		return;
	}
	out->store = true;
	bool ruled = life.kind == LIFETIME_RULED;
	out->rule_id = ruled                                         ? exchange->decision->fresh_rule
		       : policy_is_told_to_store(exchange->decision) ? exchange->decision->store_rule
								     : 0;
	out->reusable_only_validated = !ruled && (d.no_cache || life.kind == LIFETIME_NONE);
	out->fresh_for_s = ruled ? life.seconds : life.seconds - out->initial_age_s;
	if (out->reusable_only_validated && out->fresh_for_s > 0)
		out->fresh_for_s = 0;
	explain_storing(&d, &life, out);
}

bool policy_storing_withdraws(
    const struct policy *policy, const struct policy_exchange *x, const struct policy_storing *verdict)
{
	int status = x->response->status;
	struct request_directives request;
	request_directives_read(x->request, &request);
	if (!span_is(x->request->method, "GET") || request.no_store || message_has(x->request, "Range") ||
	    (message_has(x->request, "Authorization") && !policy->private_cache))
		return false;
	if (status == 403 || status == 404 || status == 410 || status == 451)
		return true;
	bool by_origin = !verdict->store && verdict->rule_id == 0;
	return by_origin && status >= 200 && status <= 399 && status != 206 && status != 304;
}
