/*
 * policy_use: may a stored response be used now (RFC 9111 4).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_POLICY_USE_H
#define CURLEW_HTTP_POLICY_USE_H

#include "http/policy.h"
#include "http/request_directives.h"

struct policy_stored {
	const struct head *response; /* stored status and fields */
	int64_t fetched_at;
	int64_t initial_age_s;
	int64_t fresh_until; /* columns of the row: what a user wrote there decides */
	int64_t stale_until;
	bool edited;                          /* a user wrote fresh_until: no rule overrides it */
	int64_t rule_id;                      /* the rule that decided when it was stored; 0: none */
	const struct rule_decision *decision; /* as in policy_exchange */
};

enum policy_verdict {
	POLICY_HIT,        /* fresh: serve it */
	POLICY_STALE,      /* stale, and the request allows that (max-stale): serve it */
	POLICY_REFRESH,    /* stale within stale-while-revalidate: serve it, and validate it in the background */
	POLICY_REVALIDATE, /* validate it first; without a validator, fetch it again */
	POLICY_MISS        /* not usable, not even validated: no whole final response (206, 304, 1xx), or store=0 */
};

struct policy_use {
	enum policy_verdict verdict;
	int64_t age_s;             /* current age (4.2.3), >= 0 */
	int64_t ttl_s;             /* freshness left; negative when stale */
	int64_t fresh_until;       /* what decided: the column, or what a rule makes of it */
	int64_t rule_id;           /* that rule; 0: none */
	bool ahead;                /* policy_freshness_is_dated_ahead() */
	bool withdrawn;            /* by the origin: neither a directive nor a rule lets it be served stale */
	bool stale_if_unreachable; /* it may be served when the origin cannot be reached */
	bool stale_if_5xx;         /* it may be served when the origin sends 500, 502, 503 or 504 (RFC 5861 4) */
	const char *fwd;           /* RFC 9211 forward reason: "stale", "request", "miss"; "" for what is served now */
	char reason[POLICY_REASON];
};
void policy_use_judge(const struct policy *, const struct request_directives *, const struct policy_stored *,
    int64_t now, struct policy_use *);

#endif
