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

/* Columns are the user's to write, so a difference of two must not overflow whatever stands in
 * them. */
static int64_t sane(int64_t column)
{
	const int64_t most = (int64_t)1 << 60;
	return column > most ? most : column < -most ? -most : column;
}

static void conclude(struct policy_use *out, enum policy_verdict verdict, const char *fwd)
{
	out->verdict = verdict;
	out->fwd = fwd;
}

static void judge_fresh(const struct request_directives *demand, const struct directives *d, struct policy_use *out)
{
	long long ttl = out->ttl_s, age = out->age_s;
	if (demand->min_fresh_s > out->ttl_s) {
		conclude(out, POLICY_REVALIDATE, "request");
		policy_explain(out->reason, "min-fresh=%lld in the request and fresh for %lld s, RFC 9111 5.2.1.3",
		    (long long)demand->min_fresh_s, ttl);
	} else if (demand->max_age_s >= 0 && !d->immutable &&
		   (demand->max_age_s == 0 || out->age_s > demand->max_age_s)) {
		/* A reload is max-age=0; it must ask even within the second of storing. RFC 8246
		 * 2.1: what is immutable need not be asked for that. */
		conclude(out, POLICY_REVALIDATE, "request");
		policy_explain(out->reason, "max-age=%lld in the request and %lld s old, RFC 9111 5.2.1.1",
		    (long long)demand->max_age_s, age);
	} else {
		conclude(out, POLICY_HIT, "");
		if (out->rule_id != 0)
			policy_explain(out->reason, "fresh for %lld s by rule %lld", ttl, (long long)out->rule_id);
		else
			policy_explain(out->reason, "fresh for %lld s, RFC 9111 4.2", ttl);
	}
}

/* Nobody knows how stale it is: no permission to serve it stale for a time covers it while the origin can be asked. */
static void judge_dated_ahead(const struct policy_stored *stored, int64_t now, struct policy_use *out)
{
	conclude(out, POLICY_REVALIDATE, "stale");
	policy_explain(out->reason, "dated %lld s in the future, so its age is not known, RFC 9111 4.2.3",
	    (long long)(sane(stored->fetched_at) - now));
}

static void judge_stale(const struct request_directives *demand, const struct directives *d, const char *forbidden,
    bool in_window, struct policy_use *out)
{
	int64_t stale_s = -out->ttl_s;
	bool picky = demand->min_fresh_s >= 0 || demand->max_age_s >= 0;
	bool young = demand->max_age_s < 0 || out->age_s <= demand->max_age_s;
	if (forbidden != NULL) {
		conclude(out, POLICY_REVALIDATE, "stale");
		policy_explain(out->reason, "stale for %lld s and %s", (long long)stale_s, forbidden);
	} else if (in_window && stale_s <= demand->max_stale_s && young && demand->min_fresh_s < 0) {
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

/* What may be served if asking the origin fails. A client that said no-cache asked to hear of it.
 */
static void judge_fallback(const struct request_directives *demand, const struct directives *d, const char *forbidden,
    bool in_window, struct policy_use *out)
{
	bool fresh = out->ttl_s > 0;
	if (d->no_cache || demand->no_cache || (!fresh && (forbidden != NULL || !in_window)))
		return;
	int64_t buffer =
	    d->stale_if_error_s > demand->stale_if_error_s ? d->stale_if_error_s : demand->stale_if_error_s;
	/* Said by the origin, stale-if-error is a limit, also when there is nobody to ask (RFC 5861 4). */
	out->stale_if_unreachable = fresh || d->stale_if_error_s < 0 || -out->ttl_s < buffer;
	out->stale_if_5xx = buffer >= 0 && (fresh || -out->ttl_s < buffer);
}

/* No rule makes its lifetime any more: what the origin said counts again. What it forbade to keep is stale for good. */
static int64_t origins_fresh_until(
    const struct policy *policy, const struct policy_stored *stored, const struct directives *d)
{
	struct policy_exchange x = {
	    .response = stored->response, .asked_at = stored->fetched_at, .answered_at = stored->fetched_at};
	struct lifetime life;
	policy_freshness_lifetime(&life, policy, &x, d);
	/* The stored fields no longer tell whether it came with a cookie, for which no lifetime would be guessed. */
	if (life.kind == LIFETIME_GUESSED && !policy->private_cache)
		life.seconds = 0;
	bool told = stored->decision != NULL && stored->decision->store == 1;
	bool forbidden = !told && (d->no_store || (d->is_private && !policy->private_cache));
	const int64_t longest_s = (int64_t)1 << 31; /* of any lifetime */
	int64_t age = forbidden ? longest_s : sane(stored->initial_age_s);
	return sane(stored->fetched_at) + life.seconds - age;
}

/* Until when it is fresh: what the user wrote in the row, else what a rule says, else what was computed at storing. */
static int64_t judge_fresh_until(
    const struct policy *policy, const struct policy_stored *stored, const struct directives *d, bool *ruled)
{
	const struct rule_decision *r = stored->decision;
	struct policy_exchange x = {.response = stored->response, .decision = r};
	struct lifetime life;
	*ruled = false;
	if (stored->edited)
		return sane(stored->fresh_until);
	if (policy_freshness_by_rule(&life, &x)) {
		*ruled = true;
		return sane(stored->fetched_at) + life.seconds;
	}
	if (stored->rule_id != 0)
		return origins_fresh_until(policy, stored, d);
	return sane(stored->fresh_until);
}

/* A rule about errors goes before what the origin said of them; the request's no-cache before both, and so does a
 * withdrawal. */
static void rule_fallback(
    const struct request_directives *demand, const struct rule_decision *r, struct policy_use *out)
{
	if (r == NULL || (r->stale_rule == 0 && !r->offline) || (out->withdrawn && out->ttl_s <= 0))
		return;
	bool within = out->ttl_s > 0 || (r->stale_rule != 0 && -out->ttl_s < r->stale_ok_s);
	out->stale_if_unreachable = !demand->no_cache && (within || (r->offline && r->stale_rule == 0));
	out->stale_if_5xx = !demand->no_cache && within;
}

void policy_use_judge(const struct policy *policy, const struct request_directives *demand,
    const struct policy_stored *stored, int64_t now, struct policy_use *out)
{
	struct directives d;
	int status = stored->response->status;
	memset(out, 0, sizeof *out);
	directives_of_response(&d, stored->response, policy->targets, policy->target_count);
	const char *forbidden = policy_freshness_stale_forbidden(policy, &d);
	bool in_window = now < stored->stale_until;
	out->withdrawn = stored->stale_until < 0;
	out->age_s = at_least_0(sane(stored->initial_age_s) + at_least_0(now - sane(stored->fetched_at)));
	bool ruled;
	out->fresh_until = judge_fresh_until(policy, stored, &d, &ruled);
	out->ahead = policy_freshness_is_dated_ahead(sane(stored->fetched_at), now);
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
		policy_explain(out->reason, "%d is no whole response, RFC 9111 4", status);
		return;
	}
	if (d.no_cache && !ruled) {
		conclude(out, POLICY_REVALIDATE, "stale");
		policy_explain(out->reason, "no-cache, RFC 9111 5.2.2.4");
	} else if (demand->no_cache) {
		conclude(out, POLICY_REVALIDATE, "request");
		policy_explain(out->reason, "no-cache in the request, RFC 9111 5.2.1.4");
	} else if (out->ahead) {
		judge_dated_ahead(stored, now, out);
	} else if (out->ttl_s > 0) {
		judge_fresh(demand, &d, out);
	} else {
		judge_stale(demand, &d, forbidden, in_window, out);
	}
	judge_fallback(demand, &d, forbidden, in_window, out);
	rule_fallback(demand, stored->decision, out);
}
