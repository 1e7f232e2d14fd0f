/* The user's policy: globs exactly as SQLite reads them, precedence column by column, and the key without ignored
 * parameters. */
#include "http/glob.h"
#include "http/rule.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_glob_matches_what_sqlites_glob_matches(void **state)
{
	(void)state;
	static const char *const patterns[] = {"*", "", "?", "a", "a*", "*a", "*a*", "**", "?*?", "a?c", "[abc]",
	    "[a-c]x", "[^a-c]x", "[]]", "[^]]", "[]-a]", "[a-]", "[-a]", "[a", "[", "a[", "[?]", "[[]", "[*]", "*[?]*",
	    "http://*/x[?]a=*", "http://?*/*", "*b*b", "\xc3\xa9?", "[\xc3\xa9]", "?", "[a-z-9]", "*\xc3*", "a*b*c",
	    "*/**", "[^a]"};
	static const char *const texts[] = {"", "a", "b", "abc", "ac", "abcabc", "]", "-", "[", "?", "*", "ax", "dx",
	    "\xc3\xa9", "\xc3\xa9x", "http://h/x?a=1", "http://h/", "bb", "bab", "babab", "aXbYc", "9", "a[", "[a", "z",
	    "A"};
	sqlite3 *db;
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT ?2 GLOB ?1", -1, &st, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
			sqlite3_bind_text(st, 1, patterns[i], -1, SQLITE_STATIC);
			sqlite3_bind_text(st, 2, texts[k], -1, SQLITE_STATIC);
			assert_int_equal(sqlite3_step(st), SQLITE_ROW);
			bool theirs = sqlite3_column_int(st, 0) != 0;
			sqlite3_reset(st);
			if (glob_matches(patterns[i], texts[k]) != theirs)
				fail_msg("<%s> and <%s>: SQLite says %d", patterns[i], texts[k], theirs);
		}
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static struct rule blank(int64_t id, int64_t priority, const char *glob)
{
	return (struct rule){.id = id,
	    .priority = priority,
	    .url_glob = strdup(glob),
	    .fresh_for_s = RULE_SILENT,
	    .stale_ok_s = RULE_SILENT,
	    .store = RULE_SILENT,
	    .offline = RULE_SILENT,
	    .deny = RULE_SILENT,
	    .follow_redirects = RULE_SILENT,
	    .cookies = RULE_SILENT,
	    .pin = RULE_SILENT};
}

static void each_column_is_decided_by_the_first_that_says_something(void **state)
{
	(void)state;
	struct rules *s = rules_new();
	struct rule low = blank(1, 0, "*"), high = blank(2, 5, "http://a/*"), equal = blank(3, 5, "http://a/*"),
		    other = blank(4, 9, "http://b/*");
	low.fresh_for_s = 10;
	low.stale_ok_s = 20;
	low.offline = 1;
	low.tag = strdup("low");
	high.fresh_for_s = 0;
	high.store = 0;
	equal.store = 1;
	equal.deny = 1;
	equal.offline = 0;
	other.fresh_for_s = 99;
	high.pin = 0;
	low.pin = 1;
	assert_int_equal(rules_add(s, &low) | rules_add(s, &equal) | rules_add(s, &other) | rules_add(s, &high), 0);
	rules_sort(s);
	struct rule_decision r;
	rules_judge(s, "http://a/x", 0, &r);
	assert_int_equal(r.fresh_for_s, 0); /* 0 is a word, not silence */
	assert_int_equal(r.fresh_rule, 2);
	assert_int_equal(r.stale_ok_s, 20);
	assert_int_equal(r.stale_rule, 1);
	assert_int_equal(r.store, 0); /* of two equals the elder */
	assert_int_equal(r.store_rule, 2);
	assert_true(r.deny);
	assert_false(r.offline); /* said to be 0 by one that goes before */
	assert_int_equal(r.offline_rule, 3);
	assert_string_equal(r.tag, "low");
	assert_false(r.pin);
	assert_int_equal(r.pin_rule, 2);
	rules_judge(s, "ftp://c/", 0, &r);
	assert_int_equal(r.fresh_for_s, 10);
	assert_true(r.offline);
	assert_int_equal(r.store, RULE_SILENT);
	rules_judge(NULL, "http://a/x", 0, &r);
	assert_int_equal(r.fresh_rule, 0);
	rules_free(s);
}

static void a_rule_with_statuses_is_only_for_those(void **state)
{
	(void)state;
	struct rules *s = rules_new();
	struct rule all = blank(1, 5, "*"), missing = blank(2, 9, "*"), errors = blank(3, 0, "*");
	all.fresh_for_s = 1000;
	all.stale_ok_s = 7;
	missing.fresh_for_s = 60;
	missing.statuses = strdup("404  410");
	errors.fresh_for_s = 10;
	errors.store = 1;
	errors.statuses = strdup("5xx");
	assert_int_equal(rules_add(s, &all) | rules_add(s, &missing) | rules_add(s, &errors), 0);
	rules_sort(s);
	static const struct {
		int status;
		int64_t fresh_for_s, fresh_rule;
		int store;
	} rows[] = {
	    {0, 1000, 1, RULE_SILENT},
	    {200, 1000, 1, RULE_SILENT},
	    {206, 1000, 1, RULE_SILENT},
	    {404, 60, 2, RULE_SILENT},
	    {410, 60, 2, RULE_SILENT},
	    {414, 1000, 1, RULE_SILENT},
	    {403, RULE_SILENT, 0, RULE_SILENT}, /* a rule without statuses is for pages, not for errors */
	    {500, 10, 3, 1},
	    {599, 10, 3, 1},
	};
	struct rule_decision unknown, r;
	rules_judge(s, "http://a/x", 0, &unknown);
	assert_ptr_equal(unknown.by_status, s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		rules_judge(s, "http://a/x", rows[i].status, &r);
		if (r.fresh_for_s != rows[i].fresh_for_s || r.fresh_rule != rows[i].fresh_rule ||
		    r.store != rows[i].store || r.stale_ok_s != 7)
			fail_msg("%d: rule %d", rows[i].status, (int)r.fresh_rule);
		if (rows[i].status != 0)
			assert_int_equal(rules_for_status(&unknown, "http://a/x", rows[i].status, &r)->fresh_for_s,
			    rows[i].fresh_for_s);
	}
	rules_judge(s, "http://a/x", 404, &r);
	assert_null(r.by_status);
	assert_string_equal(rules_statuses(s, 3), "5xx");
	assert_null(rules_statuses(s, 1));
	rules_free(s);
}

static void ignored_parameters_leave_the_key(void **state)
{
	(void)state;
	static const struct {
		const char *globs, *url, *key;
	} rows[] = {
	    {"utm_* sid", "http://a/?utm_source=x", "http://a/"},
	    {"utm_* sid", "http://a/?b=1&utm_source=x&c=2&sid=9", "http://a/?b=1&c=2"},
	    {"utm_* sid", "http://a/?b=1&c=2", NULL},
	    {"utm_* sid", "http://a/", NULL},
	    {"utm_* sid", "http://a/?xsid=1&sid", "http://a/?xsid=1"},
	    {"*", "http://a/x?anything&at=all", "http://a/x"},
	    {"sid, tok", "http://a/?tok=1&sid=2&x", "http://a/?x"},
	    {"sid", "http://a/?a=1&&sid=2&", "http://a/?a=1&&"},
	    {"sid", "http://b/?sid=2", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rules *s = rules_new();
		struct rule r = blank(7, 0, "http://a/*");
		int64_t rule;
		r.ignore_query = strdup(rows[i].globs);
		assert_int_equal(rules_add(s, &r), 0);
		rules_sort(s);
		char *key = rules_key(s, rows[i].url, &rule);
		assert_int_equal(rule, rows[i].key != NULL ? 7 : 0);
		if (rows[i].key == NULL)
			assert_null(key);
		else
			assert_string_equal(key, rows[i].key);
		free(key);
		rules_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_glob_matches_what_sqlites_glob_matches),
	    cmocka_unit_test(each_column_is_decided_by_the_first_that_says_something),
	    cmocka_unit_test(a_rule_with_statuses_is_only_for_those),
	    cmocka_unit_test(ignored_parameters_leave_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
