/*
 * How long a response is fresh, how old it is, and how long it may be served stale (RFC 9111 4.2).
 *
 * When a value is malformed, the response counts as stale: one question to the origin too many costs time, an outdated
 * response costs trust.
 */
#include "http/policy_freshness.h"

#include "http/date.h"
#include "http/field.h"
#include "http/status.h"

#include <stdio.h>

static const int64_t day_s = 86400;
static const int64_t heuristic_cap_s = 7 * 86400;
/* All clients that want a page just published get it with one fetch. */
static const int64_t heuristic_least_s = 2;
static const int64_t unreachable_s = 30 * 86400; /* served stale without an origin, RFC 9111 4.2.4 */
/* RFC 9111 1.2.2 */
static const int64_t lifetime_cap_s = (int64_t)1 << 31;

static int64_t at_least_0(int64_t n)
{
	return n < 0 ? 0 : n;
}

static bool state(struct lifetime *life, const char *name, int64_t seconds, const char *section)
{
	if (seconds == -1)
		return false;
	life->kind = LIFETIME_STATED;
	life->seconds = at_least_0(seconds);
	life->section = section;
	if (seconds == DIRECTIVES_BAD)
		snprintf(life->text, sizeof life->text, "%s is not a number, so stale", name);
	else
		snprintf(life->text, sizeof life->text, "%s=%lld", name, (long long)seconds);
	return true;
}

/* RFC 9111 5.3: Expires is compared with Date, so that different clocks agree on the lifetime. A malformed Expires
 * means stale. */
static void state_expires(struct lifetime *life, const struct policy_exchange *x, int64_t date)
{
	int64_t at, n = 0;
	life->kind = LIFETIME_STATED;
	life->section = "RFC 9111 5.3";
	if (date_find(x->response, "Expires", x->answered_at, &at)) {
		n = at - date;
		snprintf(life->text, sizeof life->text, "Expires %lld s after Date", (long long)n);
	} else {
		snprintf(life->text, sizeof life->text, "Expires is not a date, so stale");
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

/* RFC 9111 4.2.2: a tenth of the time since it was modified. */
static void guess(struct lifetime *life, const struct policy_exchange *x, int64_t date)
{
	int64_t modified;
	if (!date_find(x->response, "Last-Modified", x->answered_at, &modified) || modified > date)
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

bool policy_freshness_by_rule(struct lifetime *life, const struct policy_exchange *x)
{
	const struct rule_decision *r = x->decision;
	int status = policy_judged_status(x);
	if (r == NULL || r->fresh_rule == 0 ||
	    (status >= 400 && !r->fresh_names_status && !status_is_heuristic(status)))
		return false;
	life->kind = LIFETIME_RULED;
	life->seconds = r->fresh_for_s > lifetime_cap_s ? lifetime_cap_s : r->fresh_for_s;
	life->section = "whatever the origin says";
	snprintf(life->text, sizeof life->text, "rule %lld: fresh_for_s=%lld", (long long)r->fresh_rule,
	    (long long)r->fresh_for_s);
	return true;
}

void policy_freshness_lifetime(
    struct lifetime *life, const struct policy *policy, const struct policy_exchange *x, const struct directives *d)
{
	int64_t date;
	const struct head *dated = x->freshened_by != NULL ? x->freshened_by : x->response;
	memset(life, 0, sizeof *life);
	if (policy_freshness_by_rule(life, x))
		return;
	if (!date_find(dated, "Date", x->answered_at, &date))
		date = x->answered_at;
	if (!policy->private_cache && state(life, "s-maxage", d->s_maxage_s, "RFC 9111 5.2.2.10"))
		return;
	if (state(life, "max-age", d->max_age_s, "RFC 9111 4.2.1"))
		return;
	/* RFC 9213 2.2: a targeted field replaces Cache-Control and Expires. */
	if (d->field == NULL && message_has(x->response, "Expires")) {
		state_expires(life, x, date);
		return;
	}
	/* A response that sets a cookie may be for one visitor, so no lifetime is guessed. */
	if (policy_keeps_cookies(policy, x->decision) || !policy_sets_cookie(x->response))
		guess(life, x, date);
}

/* RFC 9111 4.2.3, and 5.1 for an Age that is a list or malformed. */
int64_t policy_freshness_initial_age(const struct policy_exchange *x)
{
	const struct head *head = x->freshened_by != NULL ? x->freshened_by : x->response;
	struct span rest = message_find(head, "Age"), first;
	int64_t age = 0, date, apparent = 0;
	if (field_next(&rest, &first))
		age = at_least_0(field_seconds(first));
	if (date_find(head, "Date", x->answered_at, &date))
		apparent = at_least_0(x->answered_at - date);
	int64_t corrected = age + at_least_0(x->answered_at - x->asked_at);
	return apparent > corrected ? apparent : corrected;
}

const char *policy_freshness_stale_forbidden(const struct policy *policy, const struct directives *d)
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

int64_t policy_freshness_stale_for(const struct policy *policy, const struct directives *d)
{
	if (policy_freshness_stale_forbidden(policy, d) != NULL)
		return 0;
	/* The origin's stale-if-error is also an upper limit (RFC 5861 4). */
	int64_t buffer = d->stale_if_error_s >= 0 ? d->stale_if_error_s : unreachable_s;
	return d->stale_while_revalidate_s > buffer ? d->stale_while_revalidate_s : buffer;
}
