/*
 * rule: the rules of the user (table rule): which of them match a URL, and what they decide together.
 *
 * Pure. A set is built once from rows and never changed, so any number of threads may read it. NULL in a column decides
 * nothing. Each column is decided by the matching rule of highest priority, then of lowest id, that has a value there.
 */
#ifndef CURLEW_HTTP_RULE_H
#define CURLEW_HTTP_RULE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum { RULE_SILENT = -1 }; /* the column is NULL: the rule decides nothing */

struct rule {
	int64_t id, priority;
	char *url_glob;
	int64_t fresh_for_s, stale_ok_s;                          /* seconds, or RULE_SILENT, like all that follow */
	int store, offline, deny, follow_redirects, cookies, pin; /* 0 or 1 */
	char *ignore_query;                                       /* globs separated by white space; or NULL */
	char *tag;                                                /* or NULL */
	char *statuses; /* it is only for responses of these, separated by blanks: "404 5xx"; NULL: for all requests and
			   responses */
};

struct rules;

struct rules *rules_new(void);
void rules_free(struct rules *);
/* Takes the texts of *rule, even when it fails. 0, or -1: out of memory. */
int rules_add(struct rules *, struct rule *);
/* Must be called after the last rules_add(). */
void rules_sort(struct rules *);

/* What all matching rules decide together. Texts are borrowed from the set. After each value comes the id of the rule
 * that decided it; 0: none. */
struct rule_decision {
	int64_t fresh_for_s, fresh_rule;
	int64_t stale_ok_s, stale_rule;
	int store;
	int64_t store_rule;
	bool offline, deny, follow_redirects, cookies, pin;
	int64_t offline_rule, deny_rule, follow_rule, cookies_rule, pin_rule;
	const char *tag;
	int64_t tag_rule;
	bool fresh_names_status; /* fresh_rule has statuses, so it is also for errors */
	/* The status was not known, and rules match that are for some statuses: decide again by rules_for_status().
	 * Else NULL. Borrowed. */
	const struct rules *by_status;
};
/* url: the key. The globs are matched with its normal URL, so that no spelling evades them. status: of the response; 0:
 * not known, and rules with statuses are left out. rules may be NULL. When memory fails, the decision is deny. */
void rules_judge(const struct rules *, const char *url, int status, struct rule_decision *);
/* The decision for a response of this status (206 counts as 200): *d itself, or a new one in *room. */
const struct rule_decision *rules_for_status(
    const struct rule_decision *d, const char *url, int status, struct rule_decision *room);
/* The statuses of the rule, as written; NULL: it has none. Borrowed. rules may be NULL. */
const char *rules_statuses(const struct rules *, int64_t id);

/* The key of url without the query parameters that the deciding rule ignores (RFC 3986 3.4; separated by &). The rest
 * is as written; names of parameters are matched in normal spelling. NULL: nothing is removed, and url is the key.
 * *rule: the rule that decided. The caller frees the result. */
char *rules_key(const struct rules *, const char *url, int64_t *rule);

#endif
