/*
 * May a stored response be used now (RFC 9111 4).
 *
 * The columns of the row decide first: a user may have written them. Directives that have no column (no-cache,
 * must-revalidate) are read from the stored fields.
 */
#include "http/policy_use.h"

#include "http/directives.h"
#include "http/policy_freshness.h"

static int64_t at_least_0(int64_t n)
{
	return n < 0 ? 0 : n;
}

/* A user may write any number into a column, and the difference of two must not overflow. */
static int64_t clamp(int64_t column)
{
	const int64_t most = (int64_t)1 << 60;
	return column > most ? most : column < -most ? -most : column;
}

static void conclude(struct policy_use *out, enum policy_verdict verdict, const char *fwd)
{
	out->verdict = verdict;
	out->fwd = fwd;
}

static void judge_fresh(const struct request_directives *request, const struct directives *d, struct policy_use *out)
{
	long long ttl = out->ttl_s, age = out->age_s;
	if (request->min_fresh_s > out->ttl_s) {
		conclude(out, POLICY_REVALIDATE, "request");
		policy_explain(out->reason, "min-fresh=%lld in the request and fresh for %lld s, RFC 9111 5.2.1.3",
		    (long long)request->min_fresh_s, ttl);
	} else if (request->max_age_s >= 0 && !d->immutable &&
		   (request->max_age_s == 0 || out->age_s > request->max_age_s)) {
		/* A reload is max-age=0. It must validate even within the second of storing, unless the response is
		 * immutable (RFC 8246 2.1). */
		conclude(out, POLICY_REVALIDATE, "request");
		policy_explain(out->reason, "max-age=%lld in the request and %lld s old, RFC 9111 5.2.1.1",
		    (long long)request->max_age_s, age);
	} else {
		conclude(out, POLICY_HIT, "");
		if (out->rule_id != 0)
			policy_explain(out->reason, "fresh for %lld s by rule %lld", ttl, (long long)out->rule_id);
		else
			policy_explain(out->reason, "fresh for %lld s, RFC 9111 4.2", ttl);
	}
}

/* Its staleness is unknown, so no permission to serve it stale for a time applies while the origin can be reached. */
static void judge_dated_ahead(const struct policy_stored *stored, int64_t now, struct policy_use *out)
{
	conclude(out, POLICY_REVALIDATE, "stale");
	policy_explain(out->reason, "dated %lld s in the future, so its age is unknown, RFC 9111 4.2.3",
	    (long long)(clamp(stored->fetched_at) - now));
}

static void judge_stale(const struct request_directives *request, const struct directives *d, const char *forbidden,
    bool in_window, struct policy_use *out)
{
	int64_t stale_s = -out->ttl_s;
	bool picky = request->min_fresh_s >= 0 || request->max_age_s >= 0;
	bool young = request->max_age_s < 0 || out->age_s <= request->max_age_s;
	if (forbidden != NULL) {
		conclude(out, POLICY_REVALIDATE, "stale");
		policy_explain(out->reason, "stale for %lld s and %s", (long long)stale_s, forbidden);
	} else if (in_window && stale_s <= request->max_stale_s && young && request->min_fresh_s < 0) {
		conclude(out, POLICY_STALE, "");
		policy_explain(
		    out->reason, "stale for %lld s, max-stale in the request, RFC 9111 5.2.1.2", (long long)stale_s);
	} else if (in_window && stale_s < d->stale_while_revalidate_s && !picky) {
		conclude(out, POLICY_REFRESH, "");
		policy_explain(out->reason, "stale for %lld s, stale-while-revalidate=%lld, RFC 5861 3",
		    (long long)stale_s, (long long)d->stale_while_revalidate_s);
	} else {
		conclude(out, POLICY_REVALIDATE, "stale");
		if (out->withdrawn)
			policy_explain(
			    out->reason, "stale for %lld s, and the origin has withdrawn it since", (long long)stale_s);
		else if (out->fresh_until <= 0)
			policy_explain(out->reason, "stale, whatever its age, RFC 9111 4.2.4");
		else
			policy_explain(out->reason, "stale for %lld s, RFC 9111 4.2.4", (long long)stale_s);
	}
}

/* May it be served when the origin fails? Not to a client that sent no-cache, which wants to see the error. */
static void judge_fallback(const struct request_directives *request, const struct directives *d, const char *forbidden,
    bool in_window, struct policy_use *out)
{
	bool fresh = out->ttl_s > 0;
	if (d->no_cache || request->no_cache || (!fresh && (forbidden != NULL || !in_window)))
		return;
	int64_t buffer =
	    d->stale_if_error_s > request->stale_if_error_s ? d->stale_if_error_s : request->stale_if_error_s;
	/* The origin's stale-if-error is also a limit when the origin cannot be reached (RFC 5861 4). */
	out->stale_if_unreachable = fresh || d->stale_if_error_s < 0 || -out->ttl_s < buffer;
	out->stale_if_5xx = buffer >= 0 && (fresh || -out->ttl_s < buffer);
}

/* No rule decides the lifetime any more, so the origin's statement counts again. A response that the origin forbids to
 * store is stale forever. */
static int64_t origins_fresh_until(
    const struct policy *policy, const struct policy_stored *stored, const struct directives *d)
{
	struct policy_exchange x = {
	    .response = stored->response, .asked_at = stored->fetched_at, .answered_at = stored->fetched_at};
	struct lifetime life;
	policy_freshness_lifetime(&life, policy, &x, d);
	/* The stored fields do not show whether it set a cookie, in which case no lifetime may be guessed. */
	if (life.kind == LIFETIME_GUESSED && !policy->private_cache)
		life.seconds = 0;
	bool told = policy_is_told_to_store(stored->decision);
	bool forbidden = !told && (d->no_store || (d->is_private && !policy->private_cache));
	const int64_t longest_s = (int64_t)1 << 31; /* of any lifetime */
	int64_t age = forbidden ? longest_s : clamp(stored->initial_age_s);
	return clamp(stored->fetched_at) + life.seconds - age;
}

/* The end of its freshness: from the user, who wrote the row; else from a rule; else as computed when it was stored. */
static int64_t judge_fresh_until(
    const struct policy *policy, const struct policy_stored *stored, const struct directives *d, bool *ruled)
{
	const struct rule_decision *r = stored->decision;
	struct policy_exchange x = {.response = stored->response, .decision = r};
	struct lifetime life;
	*ruled = false;
	if (stored->edited)
		return clamp(stored->fresh_until);
	if (policy_freshness_by_rule(&life, &x)) {
		*ruled = true;
		return clamp(stored->fetched_at) + life.seconds;
	}
	if (stored->rule_id != 0)
		return origins_fresh_until(policy, stored, d);
	return clamp(stored->fresh_until);
}

/* A rule about errors overrides what the origin says about them. no-cache in the request, and a withdrawal, override
 * both. */
static void rule_fallback(
    const struct request_directives *request, const struct rule_decision *r, struct policy_use *out)
{
	if (r == NULL || (r->stale_rule == 0 && !r->offline) || (out->withdrawn && out->ttl_s <= 0))
		return;
	bool within = out->ttl_s > 0 || (r->stale_rule != 0 && -out->ttl_s < r->stale_ok_s);
	out->stale_if_unreachable = !request->no_cache && (within || (r->offline && r->stale_rule == 0));
	out->stale_if_5xx = !request->no_cache && within;
}

void policy_use_judge(const struct policy *policy, const struct request_directives *request,
    const struct policy_stored *stored, int64_t now, struct policy_use *out)
{
	struct directives d;
	int status = stored->response->status;
	memset(out, 0, sizeof *out);
	directives_of_response(&d, stored->response, policy->targets, policy->target_count);
	const char *forbidden = policy_freshness_stale_forbidden(policy, &d);
	bool in_window = now < stored->stale_until;
	out->withdrawn = stored->stale_until < 0;
	out->age_s = at_least_0(clamp(stored->initial_age_s) + at_least_0(now - clamp(stored->fetched_at)));
	bool ruled;
	out->fresh_until = judge_fresh_until(policy, stored, &d, &ruled);
	out->ahead = policy_freshness_is_dated_ahead(clamp(stored->fetched_at), now);
	if (out->ahead && out->fresh_until > now)
		out->fresh_until = now;
	out->ttl_s = out->fresh_until - now;
	out->rule_id = ruled ? stored->decision->fresh_rule : 0;
	if (stored->decision != NULL && stored->decision->store == 0) {
		conclude(out, POLICY_MISS, "bypass");
		policy_explain(out->reason, "rule %lld: store=0", (long long)stored->decision->store_rule);
		return;
	}
	if (status < 200 || status == 206 || status == 304) {
		conclude(out, POLICY_MISS, "miss");
		policy_explain(out->reason, "%d is not a complete response, RFC 9111 4", status);
		return;
	}
	if (d.no_cache && !ruled) {
		conclude(out, POLICY_REVALIDATE, "stale");
		policy_explain(out->reason, "no-cache, RFC 9111 5.2.2.4");
	} else if (request->no_cache) {
		conclude(out, POLICY_REVALIDATE, "request");
		policy_explain(out->reason, "no-cache in the request, RFC 9111 5.2.1.4");
	} else if (out->ahead) {
		judge_dated_ahead(stored, now, out);
	} else if (out->ttl_s > 0) {
		judge_fresh(request, &d, out);
	} else {
		judge_stale(request, &d, forbidden, in_window, out);
	}
	judge_fallback(request, &d, forbidden, in_window, out);
	rule_fallback(request, stored->decision, out);
}
