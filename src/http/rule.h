/*
 * rule: the user's policy (table rule), as the program holds it: which rules match a URL, and what they say together.
 *
 * Pure: a set is built once from rows and never changed; any number of threads may read it. In each column NULL says
 * nothing, and of the rules that match, the one of highest priority (then of lowest id) that says something decides.
 */
#ifndef CURLEW_HTTP_RULE_H
#define CURLEW_HTTP_RULE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum { RULE_SILENT = -1 }; /* in a column: the rule says nothing */

struct rule {
	int64_t id, priority;
	char *url_glob;
	int64_t fresh_for_s, stale_ok_s;                          /* seconds, or RULE_SILENT, like all that follow */
	int store, offline, deny, follow_redirects, cookies, pin; /* 0 or 1 */
	char *ignore_query;                                       /* globs parted by white space; NULL: says nothing */
	char *tag;                                                /* NULL: says nothing */
};

struct rules;

struct rules *rules_new(void);
void rules_free(struct rules *);
/* Takes the texts of *rule over, also when it fails. 0, or -1: memory. */
int rules_add(struct rules *, struct rule *);
/* After the last rules_add(). */
void rules_sort(struct rules *);

/* What all matching rules say together. Texts are borrowed from the set. Beside each value the rule that decided it, 0:
 * none. */
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
/* url: the key. The globs are matched with its normal URL, so that no spelling evades them. rules may be NULL. Without
 * memory the answer is deny. */
void rules_judge(const struct rules *, const char *url, struct rule_decision *);

/* Drops the query parameters that the deciding rule ignores from url (RFC 3986 3.4; separated by &): the cache's key.
 * What stays is as it was written; a parameter's name is matched in its normal spelling. NULL: nothing is dropped, the
 * URL is the key. *rule: the rule that decided. The caller frees the result. */
char *rules_key(const struct rules *, const char *url, int64_t *rule);

#endif
