#include "index/rules.h"

#include "base/log.h"
#include "base/stats.h"
#include "index/row.h"

#include <stdlib.h>

/* A column that is yes, no or NULL. */
static int word(struct index_row *r, const char *wrong)
{
	return (int)index_row_number_or(r, wrong, 0, 1, RULE_SILENT);
}

static void read_rule(struct rule *rule, struct index_row *r)
{
	rule->id = index_row_id(r);
	rule->priority = index_row_number(r, "priority is not a number", INT64_MIN, INT64_MAX);
	rule->url_glob = index_row_text(r, "url_glob is not text");
	rule->fresh_for_s = index_row_number_or(r, "fresh_for_s is not a number, 0 or more", 0, INT64_MAX, RULE_SILENT);
	rule->stale_ok_s = index_row_number_or(r, "stale_ok_s is not a number, 0 or more", 0, INT64_MAX, RULE_SILENT);
	rule->store = word(r, "store is not 0 or 1");
	rule->offline = word(r, "offline is not 0 or 1");
	rule->deny = word(r, "deny is not 0 or 1");
	rule->follow_redirects = word(r, "follow_redirects is not 0 or 1");
	rule->pin = word(r, "pin is not 0 or 1");
	rule->ignore_query = index_row_text_or_null(r, "ignore_query is not text");
	rule->tag = index_row_text_or_null(r, "tag is not text");
	rule->cookies = word(r, "cookies is not 0 or 1");
	rule->statuses = index_row_text_or_null(r, "statuses is not text");
}

/* 0, also where the rule is invalid and left out; or -1: no memory. */
static int add_row(const struct index *ix, struct rules *rules, sqlite3_stmt *st)
{
	struct index_row r = index_row_begin(st);
	struct rule rule = {0};
	read_rule(&rule, &r);
	enum index_row_is is = index_row_end(&r, ix, "rule", rule.id);
	if (is == ROW_GOOD)
		return rules_add(rules, &rule);
	free(rule.url_glob);
	free(rule.ignore_query);
	free(rule.tag);
	free(rule.statuses);
	return is == ROW_INVALID ? 0 : -1;
}

struct rules *index_rules(struct index *ix)
{
	struct rules *rules = rules_new();
	enum index_result found = INDEX_ABSENT;
	bool lost = rules == NULL;
	while (!lost && (found = index_step(ix, RULES, "reading the rules")) == INDEX_FOUND)
		lost = add_row(ix, rules, ix->statements[RULES]) < 0;
	index_reset(ix, RULES);
	if (lost) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("memory", "no memory for the rules");
	}
	if (lost || found == INDEX_BROKEN) {
		rules_free(rules);
		return NULL;
	}
	rules_sort(rules);
	return rules;
}
