/*
 * policy_freshness: how long a response is fresh, how old it is, and how long it may be served stale (RFC 9111 4.2).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_POLICY_FRESHNESS_H
#define CURLEW_HTTP_POLICY_FRESHNESS_H

#include "http/directives.h"
#include "http/policy.h"

/* How long a response is fresh, by its own statement or by a guess. */
struct lifetime {
	enum { LIFETIME_NONE, LIFETIME_STATED, LIFETIME_GUESSED, LIFETIME_RULED } kind;
	int64_t seconds;
	char text[POLICY_REASON / 2]; /* "max-age=3600" */
	const char *section;
};

/* The lifetime (4.2.1, 4.2.2, RFC 9213 2.2). A rule overrides what the origin states. */
void policy_freshness_lifetime(
    struct lifetime *, const struct policy *, const struct policy_exchange *, const struct directives *);
/* The lifetime that a rule gives, counted from the fetch. False: no rule applies. A rule applies to an error response
 * that is not cacheable by default only if it names the status. */
bool policy_freshness_by_rule(struct lifetime *, const struct policy_exchange *);

/* The corrected initial age (4.2.3), in seconds. */
int64_t policy_freshness_initial_age(const struct policy_exchange *);

/* The directive that forbids serving the response stale, with its section; NULL: none (4.2.4). */
const char *policy_freshness_stale_forbidden(const struct policy *, const struct directives *);
/* How many seconds after its lifetime it may be served when the origin cannot be reached; 0: never. */
int64_t policy_freshness_stale_for(const struct policy *, const struct directives *);

/* Seconds that two clocks may differ; the view v_ruled has the same number. */
enum { POLICY_FRESHNESS_SKEW_S = 5 };
/* True when a row was fetched after `now`: the clock was ahead then, or was set back since. Age and lifetime of the row
 * then mean nothing, so it is validated before use, whatever its other times are. */
static inline bool policy_freshness_is_dated_ahead(int64_t fetched_at, int64_t now)
{
	return fetched_at > now && fetched_at - now > POLICY_FRESHNESS_SKEW_S;
}

#endif
