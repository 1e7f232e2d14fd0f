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
};
/* url: the key. The globs are matched with its normal URL, so that no spelling evades them. rules may be NULL. When
 * memory fails, the decision is deny. */
void rules_judge(const struct rules *, const char *url, struct rule_decision *);

/* The key of url without the query parameters that the deciding rule ignores (RFC 3986 3.4; separated by &). The rest
 * is as written; names of parameters are matched in normal spelling. NULL: nothing is removed, and url is the key.
 * *rule: the rule that decided. The caller frees the result. */
char *rules_key(const struct rules *, const char *url, int64_t *rule);

#endif
