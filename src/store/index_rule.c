/* The table rule, read whole. */
#include "store/index_private.h"

#include "base/log.h"
#include "base/stats.h"

#include <stdlib.h>

static int64_t number_or_silent(sqlite3_stmt *st, int c)
{
	return sqlite3_column_type(st, c) == SQLITE_NULL ? RULE_SILENT : sqlite3_column_int64(st, c);
}

static int add_row(struct rules *rules, sqlite3_stmt *st)
{
	bool lost = false;
	struct rule r = {.id = sqlite3_column_int64(st, 0), .priority = sqlite3_column_int64(st, 1)};
	r.url_glob = index_text(st, 2, &lost);
	r.fresh_for_s = number_or_silent(st, 3);
	r.stale_ok_s = number_or_silent(st, 4);
	r.store = (int)number_or_silent(st, 5);
	r.offline = (int)number_or_silent(st, 6);
	r.deny = (int)number_or_silent(st, 7);
	r.follow_redirects = (int)number_or_silent(st, 8);
	r.pin = (int)number_or_silent(st, 9);
	r.ignore_query = index_text(st, 10, &lost);
	r.tag = index_text(st, 11, &lost);
	r.cookies = (int)number_or_silent(st, 12);
	if (!lost && r.url_glob != NULL)
		return rules_add(rules, &r);
	free(r.url_glob);
	free(r.ignore_query);
	free(r.tag);
	return -1;
}

struct rules *index_rules(struct index *ix)
{
	struct rules *rules = rules_new();
	enum store_found found = STORE_ABSENT;
	bool lost = rules == NULL;
	while (!lost && (found = index_ask(ix, RULES, "reading the rules")) == STORE_FOUND)
		lost = add_row(rules, ix->statements[RULES]) < 0;
	index_rest(ix, RULES);
	if (lost) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("memory", "no memory for the rules");
	}
	if (lost || found == STORE_BROKEN) {
		rules_free(rules);
		return NULL;
	}
	rules_sort(rules);
	return rules;
}

int64_t index_generation(struct index *ix, int64_t *purge_id)
{
	enum store_found found = index_ask(ix, GENERATION, "asking whether a rule changed");
	int64_t n = found == STORE_FOUND ? sqlite3_column_int64(ix->statements[GENERATION], 0) : -1;
	if (found == STORE_FOUND)
		*purge_id = sqlite3_column_int64(ix->statements[GENERATION], 1);
	index_rest(ix, GENERATION);
	return n;
}
