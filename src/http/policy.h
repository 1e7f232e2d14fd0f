/*
 * policy: what the verdicts of the cache share: how this cache is run, and one exchange with an origin.
 *
 * policy_freshness, policy_storing and policy_use each hold one verdict (RFC 9111, 5861, 8246, 9213). A verdict comes
 * with its reason: a sentence for the user, with the section of the RFC.
 *
 * Pure: no I/O, no globals, `now` is an argument. Any thread may call.
 */
#ifndef CURLEW_HTTP_POLICY_H
#define CURLEW_HTTP_POLICY_H

#include "http/message.h"
#include "http/rule.h"

#include <stdbool.h>
#include <stdint.h>

enum { POLICY_REASON = 160 }; /* bytes of a reason, its NUL included */

/* How this cache is run. */
struct policy {
	bool private_cache; /* --private: one user's cache, which may store private and authorised responses */
	/* The targeted fields to obey, e.g. {"Curlew-Cache-Control"}: the first that is present counts (RFC 9213). */
	const char *const *targets;
	size_t target_count;
};

/* One exchange with an origin. */
struct policy_exchange {
	const struct head *request;  /* method and fields as sent to the origin */
	const struct head *response; /* final status and fields as received */
	int64_t asked_at;            /* Unix seconds: the request was sent */
	int64_t answered_at;         /* Unix seconds: the response head arrived */
	/* The 304 that has just updated response, or NULL. response is then the stored status with the updated fields,
	 * the 304 gives Age and Date, and asked_at and answered_at are those of the 304. */
	const struct head *freshened_by;
	bool represents_target; /* a response to POST whose Content-Location is its target (RFC 9110 9.3.3) */
	const struct rule_decision *decision; /* what the user's rules decide for the URL; NULL: nothing */
	bool part; /* response is a 206, judged as the whole it is a part of (RFC 9111 3.3) */
};

/* Writes a reason, cut at its ceiling. */
__attribute__((format(printf, 2, 3))) void policy_explain(char reason[POLICY_REASON], const char *format, ...);

/* The status to judge: a part is judged as its whole (RFC 9111 3.3). */
int policy_judged_status(const struct policy_exchange *);
bool policy_sets_cookie(const struct head *response);
/* True when a rule has store=1, which overrides no-store and private and nothing else. decision may be NULL. */
bool policy_is_told_to_store(const struct rule_decision *decision);

/* Set-Cookie is for the client whose request produced the response (RFC 9111 7.3). It is neither stored nor sent to any
 * other client. True where it is a field like any other: in a private cache, or by a rule. decision may be NULL. */
bool policy_keeps_cookies(const struct policy *, const struct rule_decision *decision);

/* True when a request of this method can change state (RFC 9110 9.2.1): every method except GET, HEAD, OPTIONS, TRACE.
 */
bool policy_is_unsafe(struct span method);

#endif
