/*
 * The two verdicts of a cache: may this be stored and for how long (RFC 9111 3, 4.2), and may what
 * is stored be used now (RFC 9111 4). A storing ends in four columns, and a use reads them: between
 * the two a user may have written his own numbers into them, and they decide. What columns cannot
 * say (no-cache, must-revalidate) is read from the stored fields.
 *
 * Doubt is resolved towards asking the origin: an answer too many costs time, a wrong one costs
 * trust.
 */
#include "http/policy.h"

#include "http/date.h"
#include "http/directives.h"
#include "http/field.h"

#include <stdarg.h>
#include <stdio.h>

static const int64_t day_s = 86400;
static const int64_t heuristic_cap_s = 7 * 86400;
static const int64_t heuristic_least_s = 2; /* so that all who want what has just been published get it with one fetch
					     */
static const int64_t unreachable_s = 30 * 86400; /* served stale without an origin, RFC 9111 4.2.4 */
static const int64_t lifetime_cap_s = (int64_t)1 << 31;

/* How long a response says it is fresh, or is taken to be. */
struct lifetime {
	enum { LIFETIME_NONE, LIFETIME_STATED, LIFETIME_GUESSED, LIFETIME_RULED } kind;
	int64_t seconds;
	char text[POLICY_REASON / 2]; /* "max-age=3600" */
	const char *section;
};

__attribute__((format(printf, 2, 3))) static void say(char reason[POLICY_REASON], const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(reason, POLICY_REASON, format, ap);
	va_end(ap);
}

static int64_t at_least_0(int64_t n)
{
	return n < 0 ? 0 : n;
}

static bool find_date(const struct head *head, const char *name, int64_t now, int64_t *at)
{
	return date_parse(message_find(head, name), now, at);
}

/* --- what a request asks for --- */

void request_directives_read(const struct head *request, struct request_directives *demand)
{
	struct directives d;
	directives_of_request(&d, request);
	demand->no_cache = d.no_cache;
	demand->no_store = d.no_store;
	demand->only_if_cached = d.only_if_cached;
	/* A max-age that is no number is read as the strictest; the permissions that are none as
	 * not given. */
	demand->max_age_s = d.max_age_s == DIRECTIVES_BAD ? 0 : d.max_age_s;
	demand->min_fresh_s = d.min_fresh_s < 0 ? -1 : d.min_fresh_s;
	demand->max_stale_s = d.max_stale_s < 0 ? -1 : d.max_stale_s;
	demand->stale_if_error_s = d.stale_if_error_s < 0 ? -1 : d.stale_if_error_s;
	if (!message_has(request, "Cache-Control") && message_lists(request, "Pragma", "no-cache"))
		demand->no_cache = true; /* RFC 9111 5.4 */
}

/* --- storing --- */

/* RFC 9110 15.1, without 206 */
static bool is_heuristically_cacheable(int status)
{
	static const int statuses[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (statuses[i] == status)
			return true;
	return false;
}

/* Statuses that answer one request and not the URL, so that no lifetime makes them another's
 * answer. */
static const char *unstorable_status(int status)
{
	switch (status) {
	case 206:
		return "206 is a part, RFC 9111 3.3";
	case 304:
		return "304 has no body of its own, RFC 9111 4.3.4";
	case 401:
	case 407:
		return "the answer depends on credentials, RFC 9110 11.6.1";
	case 412:
	case 416:
	case 417:
		return "the answer depends on the request's conditions, RFC 9110 15.5";
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

/* A part stands for its whole (RFC 9111 3.3). */
static int judged_status(const struct policy_exchange *x)
{
	return x->part && x->response->status == 206 ? 200 : x->response->status;
}

static bool is_post_of_target(const struct policy_exchange *x)
{
	return x->represents_target && span_is(x->request->method, "POST") && x->response->status == 200;
}

static bool sets_cookie(const struct head *response)
{
	return message_has(response, "Set-Cookie") || message_has(response, "Set-Cookie2");
}

static bool varies_on_everything(const struct head *response)
{
	return message_lists(response, "Vary", "*");
}

/* The answer of refusal() that a rule gives; it is told with the rule's number. */
static const char never_by_rule[] = "a rule says never to store it";

/* What a user may overrule: store = 1 is for no-store and private alone. */
static bool is_told_to_store(const struct policy_exchange *x)
{
	return x->decision != NULL && x->decision->store == 1;
}

/* Why the response may not be stored whatever its lifetime; NULL when it may (RFC 9111 3, 3.5). */
static const char *refusal(const struct policy *policy, const struct policy_exchange *x, const struct directives *d)
{
	const char *status = unstorable_status(judged_status(x));
	struct request_directives demand;
	request_directives_read(x->request, &demand);
	if (!span_is(x->request->method, "GET") && !is_post_of_target(x))
		return "only answers to GET are stored, RFC 9111 3";
	if (status != NULL)
		return status;
	if (demand.no_store)
		return "no-store in the request, RFC 9111 5.2.1.5";
	if (x->decision != NULL && x->decision->store == 0)
		return never_by_rule;
	/* With must-understand, no-store is only for those who do not know the status (5.2.2.3). */
	if (d->must_understand && message_reason(x->response->status)[0] == '\0')
		return "must-understand with an unknown status, RFC 9111 5.2.2.3";
	if (d->no_store && !d->must_understand && !is_told_to_store(x))
		return "no-store, RFC 9111 5.2.2.5";
	if (d->is_private && !policy->private_cache && !is_told_to_store(x))
		return "private, RFC 9111 5.2.2.7";
	if (!policy->private_cache && message_has(x->request, "Authorization") && !d->is_public &&
	    !d->must_revalidate && d->s_maxage_s == -1)
		return "the request had Authorization, RFC 9111 3.5";
	if (varies_on_everything(x->response))
		return "Vary: *, RFC 9111 4.1";
	return NULL;
}

static bool state(struct lifetime *life, const char *name, int64_t seconds, const char *section)
{
	if (seconds == -1)
		return false;
	life->kind = LIFETIME_STATED;
	life->seconds = at_least_0(seconds);
	life->section = section;
	if (seconds == DIRECTIVES_BAD)
		snprintf(life->text, sizeof life->text, "%s is no number, so stale", name);
	else
		snprintf(life->text, sizeof life->text, "%s=%lld", name, (long long)seconds);
	return true;
}

/* RFC 9111 5.3: Expires counts from Date, so that two clocks that differ agree on the span. Invalid
 * means past. */
static void state_expires(struct lifetime *life, const struct policy_exchange *x, int64_t date)
{
	int64_t at, n = 0;
	life->kind = LIFETIME_STATED;
	life->section = "RFC 9111 5.3";
	if (find_date(x->response, "Expires", x->answered_at, &at)) {
		n = at - date;
		snprintf(life->text, sizeof life->text, "Expires %lld s after Date", (long long)n);
	} else {
		snprintf(life->text, sizeof life->text, "Expires is no date, so stale");
	}
	life->seconds = n > lifetime_cap_s ? lifetime_cap_s : at_least_0(n);
}

static void add_span_of_time(char *text, size_t size, int64_t seconds)
{
	if (seconds >= 2 * day_s)
		snprintf(text, size, "%lld days", (long long)(seconds / day_s));
	else if (seconds >= 2 * 3600)
		snprintf(text, size, "%lld hours", (long long)(seconds / 3600));
	else
		snprintf(text, size, "%lld s", (long long)seconds);
}

/* RFC 9111 4.2.2: a tenth of how long it had not changed. */
static void guess(struct lifetime *life, const struct policy_exchange *x, int64_t date)
{
	int64_t modified;
	if (!find_date(x->response, "Last-Modified", x->answered_at, &modified) || modified > date)
		return;
	char unchanged[32];
	add_span_of_time(unchanged, sizeof unchanged, date - modified);
	life->kind = LIFETIME_GUESSED;
	life->seconds = (date - modified) / 10;
	life->section = "RFC 9111 4.2.2";
	bool capped = life->seconds > heuristic_cap_s, raised = life->seconds < heuristic_least_s;
	if (capped)
		life->seconds = heuristic_cap_s;
	if (raised)
		life->seconds = heuristic_least_s;
	snprintf(life->text, sizeof life->text, "heuristic, %s %s since Last-Modified",
	    capped   ? "a week for"
	    : raised ? "2 s for"
		     : "10 % of",
	    unchanged);
}

/* A rule's lifetime counts from the fetch on, whatever the origin says; an error page does not become a page by it. */
static bool state_by_rule(struct lifetime *life, const struct policy_exchange *x)
{
	const struct rule_decision *r = x->decision;
	int status = judged_status(x);
	if (r == NULL || r->fresh_rule == 0 || (status >= 400 && !is_heuristically_cacheable(status)))
		return false;
	life->kind = LIFETIME_RULED;
	life->seconds = r->fresh_for_s > lifetime_cap_s ? lifetime_cap_s : r->fresh_for_s;
	life->section = "whatever the origin says";
	snprintf(life->text, sizeof life->text, "rule %lld: fresh_for_s=%lld", (long long)r->fresh_rule,
	    (long long)r->fresh_for_s);
	return true;
}

static void find_lifetime(
    struct lifetime *life, const struct policy *policy, const struct policy_exchange *x, const struct directives *d)
{
	int64_t date;
	const struct head *dated = x->freshened_by != NULL ? x->freshened_by : x->response;
	memset(life, 0, sizeof *life);
	if (state_by_rule(life, x))
		return;
	if (!find_date(dated, "Date", x->answered_at, &date))
		date = x->answered_at;
	if (!policy->private_cache && state(life, "s-maxage", d->s_maxage_s, "RFC 9111 5.2.2.10"))
		return;
	if (state(life, "max-age", d->max_age_s, "RFC 9111 4.2.1"))
		return;
	/* RFC 9213 2.2: a targeted field speaks instead of Cache-Control and Expires. */
	if (d->field == NULL && message_has(x->response, "Expires")) {
		state_expires(life, x, date);
		return;
	}
	/* A response that sets a cookie may be one visitor's page: no lifetime is guessed for it. */
	if (policy_keeps_cookies(policy, x->decision) || !sets_cookie(x->response))
		guess(life, x, date);
}

/* RFC 9111 4.2.3, with 5.1 for an Age that is a list or no number. */
static int64_t initial_age(const struct policy_exchange *x)
{
	const struct head *head = x->freshened_by != NULL ? x->freshened_by : x->response;
	struct span rest = message_find(head, "Age"), first;
	int64_t age = 0, date, apparent = 0;
	if (field_next(&rest, &first))
		age = at_least_0(field_seconds(first));
	if (find_date(head, "Date", x->answered_at, &date))
		apparent = at_least_0(x->answered_at - date);
	int64_t corrected = age + at_least_0(x->answered_at - x->asked_at);
	return apparent > corrected ? apparent : corrected;
}

static bool has_validator(const struct head *response, int64_t now)
{
	int64_t at;
	return message_find(response, "ETag").len > 0 || find_date(response, "Last-Modified", now, &at);
}

/* RFC 9111 4.2.4: what forbids serving it stale, by any permission. */
static const char *stale_forbidden(const struct policy *policy, const struct directives *d)
{
	if (d->no_cache)
		return "no-cache, RFC 9111 5.2.2.4";
	if (d->must_revalidate)
		return "must-revalidate, RFC 9111 5.2.2.2";
	if (!policy->private_cache && d->proxy_revalidate)
		return "proxy-revalidate, RFC 9111 5.2.2.8";
	if (!policy->private_cache && d->s_maxage_s != -1)
		return "s-maxage, RFC 9111 5.2.2.10";
	return NULL;
}

static int64_t stale_window(const struct policy *policy, const struct directives *d)
{
	if (stale_forbidden(policy, d) != NULL)
		return 0;
	/* What the origin says of errors is also an upper limit (RFC 5861 4). */
	int64_t buffer = d->stale_if_error_s >= 0 ? d->stale_if_error_s : unreachable_s;
	return d->stale_while_revalidate_s > buffer ? d->stale_while_revalidate_s : buffer;
}

/* The last of RFC 9111 3's conditions, and what it is not worth storing without. NULL: store it. */
static const char *worthless(const struct policy *policy, const struct policy_exchange *x, const struct directives *d,
    const struct lifetime *life, int64_t stale_for_s)
{
	bool marked = d->is_public || (d->is_private && policy->private_cache);
	bool validator = has_validator(x->response, x->answered_at);
	if (life->kind == LIFETIME_RULED || is_told_to_store(x))
		return NULL;
	if (life->kind != LIFETIME_STATED && !marked && !is_heuristically_cacheable(judged_status(x)))
		return "this status needs a stated lifetime, RFC 9111 3";
	if (life->kind != LIFETIME_STATED && is_post_of_target(x))
		return "an answer to POST needs a stated lifetime, RFC 9110 9.3.3";
	if (life->kind == LIFETIME_NONE && !validator)
		return "neither lifetime nor validator, RFC 9111 3";
	if (life->seconds == 0 && !validator && stale_for_s == 0)
		return "no time fresh, no validator, and never to be served stale";
	if (d->no_cache && !validator)
		return "no-cache and no validator, RFC 9111 5.2.2.4";
	/* Nothing in it says that anybody else may have this page. */
	if ((life->seconds == 0 || d->no_cache) && !policy_keeps_cookies(policy, x->decision) && !d->is_public &&
	    sets_cookie(x->response))
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
		say(out->reason, "%s, %s", life->text, life->section);
	else if (d->no_cache)
		say(out->reason, "%sno-cache%s: asked at each use, RFC 9111 5.2.2.4", by, where);
	else if (life->kind == LIFETIME_NONE && out->rule_id != 0)
		say(out->reason, "%sno lifetime, asked at each use", by);
	else if (life->kind == LIFETIME_NONE)
		say(out->reason, "no lifetime but a validator: asked at each use, RFC 9111 4.3");
	else if (life->seconds > 0 && out->fresh_for_s <= 0)
		say(out->reason, "%s%s%s, and %lld s old on arrival, RFC 9111 4.2.3", by, life->text, where,
		    (long long)out->initial_age_s);
	else
		say(out->reason, "%s%s%s, %s", by, life->text, where, life->section);
}

void policy_judge_storing(
    const struct policy *policy, const struct policy_exchange *exchange, struct policy_storing *out)
{
	struct directives d;
	struct lifetime life;
	memset(out, 0, sizeof *out);
	directives_of_response(&d, exchange->response, policy->targets, policy->target_count);
	const char *why = refusal(policy, exchange, &d);
	out->initial_age_s = initial_age(exchange); /* told to clients also when it is not stored */
	if (why == NULL) {
		find_lifetime(&life, policy, exchange, &d);
		out->stale_for_s = stale_window(policy, &d);
		why = worthless(policy, exchange, &d, &life, out->stale_for_s);
	}
	if (why != NULL) {
		out->stale_for_s = 0;
		if (why != never_by_rule) {
			say(out->reason, "%s", why);
			return;
		}
		out->rule_id = exchange->decision->store_rule;
		say(out->reason, "rule %lld: store=0", (long long)out->rule_id);
		return;
	}
	out->store = true;
	bool ruled = life.kind == LIFETIME_RULED;
	out->rule_id = ruled                        ? exchange->decision->fresh_rule
		       : is_told_to_store(exchange) ? exchange->decision->store_rule
						    : 0;
	out->reusable_only_validated = !ruled && (d.no_cache || life.kind == LIFETIME_NONE);
	out->fresh_for_s = ruled ? life.seconds : life.seconds - out->initial_age_s;
	if (out->reusable_only_validated && out->fresh_for_s > 0)
		out->fresh_for_s = 0;
	explain_storing(&d, &life, out);
}

/* --- reuse --- */

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
		say(out->reason, "min-fresh=%lld in the request and fresh for %lld s, RFC 9111 5.2.1.3",
		    (long long)demand->min_fresh_s, ttl);
	} else if (demand->max_age_s >= 0 && !d->immutable &&
		   (demand->max_age_s == 0 || out->age_s > demand->max_age_s)) {
		/* A reload is max-age=0; it must ask even within the second of storing. RFC 8246
		 * 2.1: what is immutable need not be asked for that. */
		conclude(out, POLICY_REVALIDATE, "request");
		say(out->reason, "max-age=%lld in the request and %lld s old, RFC 9111 5.2.1.1",
		    (long long)demand->max_age_s, age);
	} else {
		conclude(out, POLICY_HIT, "");
		if (out->rule_id != 0)
			say(out->reason, "fresh for %lld s by rule %lld", ttl, (long long)out->rule_id);
		else
			say(out->reason, "fresh for %lld s, RFC 9111 4.2", ttl);
	}
}

/* Nobody knows how stale it is: no permission to serve it stale for a time covers it while the origin can be asked. */
static void judge_dated_ahead(const struct policy_stored *stored, int64_t now, struct policy_use *out)
{
	conclude(out, POLICY_REVALIDATE, "stale");
	say(out->reason, "dated %lld s in the future, so its age is not known, RFC 9111 4.2.3",
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
		say(out->reason, "stale for %lld s and %s", (long long)stale_s, forbidden);
	} else if (in_window && stale_s <= demand->max_stale_s && young && demand->min_fresh_s < 0) {
		conclude(out, POLICY_STALE, "");
		say(out->reason, "stale for %lld s, max-stale in the request, RFC 9111 5.2.1.2", (long long)stale_s);
	} else if (in_window && stale_s < d->stale_while_revalidate_s && !picky) {
		conclude(out, POLICY_REFRESH, "");
		say(out->reason, "stale for %lld s, stale-while-revalidate=%lld, RFC 5861 3", (long long)stale_s,
		    (long long)d->stale_while_revalidate_s);
	} else {
		conclude(out, POLICY_REVALIDATE, "stale");
		if (out->withdrawn)
			say(out->reason, "stale for %lld s, and the origin has withdrawn it since", (long long)stale_s);
		else if (out->fresh_until <= 0)
			say(out->reason, "stale, whatever its age, RFC 9111 4.2.4");
		else
			say(out->reason, "stale for %lld s, RFC 9111 4.2.4", (long long)stale_s);
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
	find_lifetime(&life, policy, &x, d);
	/* The stored fields no longer tell whether it came with a cookie, for which no lifetime would be guessed. */
	if (life.kind == LIFETIME_GUESSED && !policy->private_cache)
		life.seconds = 0;
	bool told = stored->decision != NULL && stored->decision->store == 1;
	bool forbidden = !told && (d->no_store || (d->is_private && !policy->private_cache));
	int64_t age = forbidden ? lifetime_cap_s : sane(stored->initial_age_s);
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
	if (state_by_rule(&life, &x)) {
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

void policy_judge_use(const struct policy *policy, const struct request_directives *demand,
    const struct policy_stored *stored, int64_t now, struct policy_use *out)
{
	struct directives d;
	int status = stored->response->status;
	memset(out, 0, sizeof *out);
	directives_of_response(&d, stored->response, policy->targets, policy->target_count);
	const char *forbidden = stale_forbidden(policy, &d);
	bool in_window = now < stored->stale_until;
	out->withdrawn = stored->stale_until < 0;
	out->age_s = at_least_0(sane(stored->initial_age_s) + at_least_0(now - sane(stored->fetched_at)));
	bool ruled;
	out->fresh_until = judge_fresh_until(policy, stored, &d, &ruled);
	out->ahead = policy_is_dated_ahead(sane(stored->fetched_at), now);
	if (out->ahead && out->fresh_until > now)
		out->fresh_until = now;
	out->ttl_s = out->fresh_until - now;
	out->rule_id = ruled ? stored->decision->fresh_rule : 0;
	if (stored->decision != NULL && stored->decision->store == 0) {
		conclude(out, POLICY_MISS, "bypass");
		say(out->reason, "rule %lld: store=0", (long long)stored->decision->store_rule);
		return;
	}
	if (status < 200 || status == 206 || status == 304) {
		conclude(out, POLICY_MISS, "miss");
		say(out->reason, "%d is no whole response, RFC 9111 4", status);
		return;
	}
	if (d.no_cache && !ruled) {
		conclude(out, POLICY_REVALIDATE, "stale");
		say(out->reason, "no-cache, RFC 9111 5.2.2.4");
	} else if (demand->no_cache) {
		conclude(out, POLICY_REVALIDATE, "request");
		say(out->reason, "no-cache in the request, RFC 9111 5.2.1.4");
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

bool policy_is_unsafe(struct span method)
{
	return !span_is(method, "GET") && !span_is(method, "HEAD") && !span_is(method, "OPTIONS") &&
	       !span_is(method, "TRACE");
}
