/*
 * policy: every verdict of the cache (RFC 9111, 5861, 8246, 9213). What may be stored and for how long, what may be
 * reused, what must be asked again, and why, in words with the section.
 *
 * Pure: no I/O, no globals, `now` is an argument. Any thread may call.
 */
#ifndef CURLEW_HTTP_POLICY_H
#define CURLEW_HTTP_POLICY_H

#include "base/buf.h"
#include "http/message.h"
#include "http/rule.h"

#include <stdbool.h>
#include <stdint.h>

enum { POLICY_REASON = 160 }; /* bytes of a reason, its NUL included */

/* How this cache is run. */
struct policy {
	bool private_cache;         /* --private: one user's cache; private and authorised answers may be kept */
	const char *const *targets; /* targeted fields looked at, first wins (RFC 9213), e.g. {"Curlew-Cache-Control"}
				     */
	size_t target_count;
};

/* --- what a request asks for (RFC 9111 5.2.1, 5.4) --- */
struct request_directives {
	bool no_cache; /* also from Pragma, when there is no Cache-Control */
	bool no_store;
	bool only_if_cached;
	int64_t max_age_s;        /* -1: not said */
	int64_t min_fresh_s;      /* -1: not said */
	int64_t max_stale_s;      /* -1: not said; INT64_MAX: without a number */
	int64_t stale_if_error_s; /* -1: not said (RFC 5861 4) */
};
void request_directives_read(const struct head *request, struct request_directives *);

/* --- storing (RFC 9111 3, 4.2) --- */
struct policy_exchange {
	const struct head *request;  /* method and fields as sent to the origin */
	const struct head *response; /* final status and fields as received */
	int64_t asked_at;            /* Unix seconds */
	int64_t answered_at;
	const struct head *freshened_by; /* NULL, or the 304 that has just updated response (status and updated fields
					    of the stored one): its Age and Date count, and asked_at and answered_at are
					    its */
	bool represents_target;          /* a POST's answer whose Content-Location is its target (RFC 9110 9.3.3) */
	const struct rule_decision *decision; /* what the user's rules say of the URL; NULL: nothing */
	bool part; /* response is a 206, judged as the whole it is a part of (RFC 9111 3.3) */
};
struct policy_storing {
	bool store;
	bool reusable_only_validated; /* stored, but each use asks the origin (no-cache, or no lifetime but a validator)
				       */
	int64_t initial_age_s;        /* corrected initial age (4.2.3) */
	int64_t fresh_for_s;          /* from answered_at on; may be <= 0. Age on arrival is already taken off */
	int64_t stale_for_s; /* how long beyond freshness it may be served when the origin cannot be reached; 0: never
			      */
	int64_t rule_id;     /* the rule that decided storing or lifetime; 0: none */
	char reason[POLICY_REASON]; /* "max-age=3600, RFC 9111 4.2.1" */
};
void policy_judge_storing(const struct policy *, const struct policy_exchange *, struct policy_storing *);
/* True when the origin has withdrawn what is stored for this request: it answers 403, 404, 410 or 451, or with a
 * success or redirect that it forbids to store (which the verdict says), to a request whose response anybody could have
 * been given. What is stored may still be validated, but must not be served stale any more. Never by a status that a
 * client can provoke, nor by a 5xx. */
bool policy_withdraws(const struct policy *, const struct policy_exchange *, const struct policy_storing *);
enum { POLICY_WITHDRAWN = -1 }; /* in entry.stale_until; so is every negative value */

/* --- reuse (RFC 9111 4) --- */
struct policy_stored {
	const struct head *response; /* stored status and fields */
	int64_t fetched_at;
	int64_t initial_age_s;
	int64_t fresh_until; /* columns of the row: what a user wrote there decides */
	int64_t stale_until;
	bool edited;                          /* a user wrote fresh_until: then no rule counts against it */
	int64_t rule_id;                      /* the rule that decided when it was stored; 0: none */
	const struct rule_decision *decision; /* as in policy_exchange */
};
/* True when a row says that it was fetched after `now`: the clock was ahead then, or has gone back since. Its age and
 * lifetime mean nothing, so it is validated before use, whatever its other times are. A few seconds are no matter. */
enum { POLICY_SKEW_S = 5 }; /* also in the view v_ruled */
static inline bool policy_is_dated_ahead(int64_t fetched_at, int64_t now)
{
	return fetched_at > now && fetched_at - now > POLICY_SKEW_S;
}

enum policy_verdict {
	POLICY_HIT,        /* fresh: serve it */
	POLICY_STALE,      /* stale, and serving it as it is is allowed by the request (max-stale) */
	POLICY_REFRESH,    /* stale within stale-while-revalidate: serve it, and ask in the background */
	POLICY_REVALIDATE, /* ask the origin first, with validators where there are some */
	POLICY_MISS        /* may not be used at all, not even validated: no whole final response (206, 304, 1xx) */
};
struct policy_use {
	enum policy_verdict verdict;
	int64_t age_s;             /* current age (4.2.3), >= 0 */
	int64_t ttl_s;             /* freshness left; negative when stale */
	int64_t fresh_until;       /* that decided: the column, or what a rule makes of it */
	int64_t rule_id;           /* that rule; 0: none */
	bool ahead;                /* policy_is_dated_ahead() */
	bool withdrawn;            /* by the origin: neither a directive nor a rule lets it be served stale */
	bool stale_if_unreachable; /* if asking fails for want of an origin, it may be served */
	bool stale_if_5xx;         /* if the origin answers 500, 502, 503 or 504, it may be served (RFC 5861 4) */
	const char *fwd;           /* RFC 9211 forward reason: "stale", "request", "miss"; "" for what is served now */
	char reason[POLICY_REASON];
};
void policy_judge_use(const struct policy *, const struct request_directives *, const struct policy_stored *,
    int64_t now, struct policy_use *);

/* --- conditions (RFC 9110 13) --- */
enum policy_condition {
	POLICY_GO_ON,       /* answer with the representation */
	POLICY_NOT_MODIFIED /* answer 304 */
};
/* For what is our own and not an origin's: an If-Match, else an If-Unmodified-Since, that this representation does not
 * meet. Answer 412. */
bool policy_precondition_fails(const struct head *request, const struct head *response, int64_t now);
/* A GET or HEAD's If-None-Match, else If-Modified-Since, against a stored 200 response. */
enum policy_condition policy_judge_condition(const struct head *request, const struct head *response, int64_t now);
/* True when the request's If-Range lets a range be taken of that response, or there is no If-Range. */
bool policy_range_applies(const struct head *request, const struct head *response, int64_t now);

/* True when the 304 speaks of this stored response (RFC 9111 4.3.4): no validator of its contradicts ours. When false,
 * ask again without conditions. */
bool policy_freshens(const struct head *not_modified, const struct head *stored);

/* The stored field lines ("Name: value\n" each) after a 304 has updated them (RFC 9111 3.2, 4.3.4) into out, cleared
 * first. What describes the stored bytes (Content-Length, -Encoding, -Range) stays. cookies: whether Set-Cookie lines
 * of either are among them. 0, or -1 when out's ceiling is met. */
int policy_update_fields(const struct head *stored, const struct head *not_modified, bool cookies, struct buf *out);

/* The field lines of a response as they are stored: end-to-end fields only, in order, without Age and Content-Length,
 * which columns keep; Date added from answered_at when the origin sent none or no date; nothing of ours. 0, or -1. */
int policy_stored_fields(const struct head *response, int64_t answered_at, struct buf *out);

/* Of such lines, those that may be kept: no field that no-cache="..." or private="..." names (RFC
 * 9111 5.2.2.4, 5.2.2.7), and Set-Cookie only where policy_keeps_cookies(). ruling may be NULL. 0, or -1. */
int policy_kept_fields(const struct policy *, const struct rule_decision *, const struct head *stored, struct buf *out);

/* Set-Cookie is for the client whose request produced the response (RFC 9111 7.3): it is neither stored nor sent to
 * anybody else. True where it is like any other field: in a private cache, or by a rule. ruling may be NULL. */
bool policy_keeps_cookies(const struct policy *, const struct rule_decision *);
/* True of Set-Cookie and Set-Cookie2. */
bool policy_is_cookie(struct span name);
/* Appends the Set-Cookie lines of the head to out. 0, or -1 when out's ceiling is met. */
int policy_cookie_fields(const struct head *, struct buf *out);

/* The strong validator by which parts of a response may be joined (RFC 9110 8.8.1, 8.8.2.2): its ETag if strong,
 * without any a Last-Modified that is a second older than its Date, or more. {NULL, 0}: it has none. *is_tag: which of
 * the two. */
struct span policy_strong_validator(const struct head *response, int64_t now, bool *is_tag);

/* Is the content encoded (RFC 9110 8.4)? identity is no coding. */
bool policy_is_encoded(const struct head *response);
/* Is the content of both in the same codings? Only then are their bytes parts of one body, whatever their validators
 * say: servers that compress as they send give both the same tag. A field left out means no coding. */
bool policy_same_coding(const struct head *, const struct head *);

/* What a 200 to HEAD says of a stored response to GET (RFC 9111 4.3.5). True: it may freshen it as a 304 would. False:
 * the stored one is no longer what GET would bring. stored_bytes: of its body. */
bool policy_head_freshens(const struct head *head_response, const struct head *stored, int64_t stored_bytes);

/* True when a request of this method can change state (RFC 9110 9.2.1): everything but GET, HEAD, OPTIONS, TRACE. */
bool policy_is_unsafe(struct span method);

#endif
