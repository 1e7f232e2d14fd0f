/*
 * policy_storing: may a response be stored, and for how long is it fresh (RFC 9111 3, 4.2).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_POLICY_STORING_H
#define CURLEW_HTTP_POLICY_STORING_H

#include "http/policy.h"

struct policy_storing {
	bool store;
	/* Stored, but each use is validated (no-cache, or a validator without a lifetime). */
	bool reusable_only_validated;
	int64_t initial_age_s; /* corrected initial age (4.2.3); set also when it is not stored */
	int64_t fresh_for_s;   /* counted from answered_at, the initial age already subtracted; may be <= 0 */
	int64_t stale_for_s;   /* seconds after that when it may be served if the origin cannot be reached; 0: never */
	int64_t rule_id;       /* the rule that decided storing or lifetime; 0: none */
	char reason[POLICY_REASON]; /* "max-age=3600, RFC 9111 4.2.1" */
};
void policy_storing_judge(const struct policy *, const struct policy_exchange *, struct policy_storing *);

/* True when this response withdraws the one stored for the same request: its status is 403, 404, 410 or 451, or it is a
 * success or a redirect that its origin forbids to store (as the verdict says). Only a request counts whose response
 * anybody could have been given. The stored response may still be validated, but is never served stale again. A 5xx, or
 * a status that a client can provoke, withdraws nothing. */
bool policy_storing_withdraws(const struct policy *, const struct policy_exchange *, const struct policy_storing *);
/* What entry.stale_until holds then. Every negative value means the same. */
enum { POLICY_STORING_WITHDRAWN = -1 };

#endif
