/* When what is stored may be used (RFC 9111 4, 5.2.1; RFC 5861; RFC 8246). Storing is in
 * test_policy.c. */

#include "http/policy_use.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NOW = 1793000000 };

static const char *const targets[] = {"Curlew-Cache-Control", "CDN-Cache-Control"};
static const struct policy shared = {false, targets, 2};
static const struct policy private = {true, targets, 2};

static struct head request, response;

static void read_heads(const char *request_fields, int status, const char *response_fields)
{
	assert_int_equal(message_parse_fields(&request, span_of(request_fields)), 0);
	assert_int_equal(message_parse_fields(&response, span_of(response_fields)), 0);
	request.method = span_of("GET");
	response.status = status;
}

static struct policy_stored stored_row(
    int64_t fetched_at, int64_t initial_age_s, int64_t fresh_until, int64_t stale_until)
{
	return (struct policy_stored){.response = &response,
	    .fetched_at = fetched_at,
	    .initial_age_s = initial_age_s,
	    .fresh_until = fresh_until,
	    .stale_until = stale_until};
}

/* Stored at NOW - 100 with an initial age of 50, fresh until NOW + ttl_s, stale until `window`
 * beyond that. */
struct use {
	const char *section, *request, *response;
	int64_t ttl_s, buffer;
	enum policy_verdict verdict;
	bool unreachable, on_5xx;
	const char *fwd, *reason;
};

static void check_use(const struct policy *policy, const struct use *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct policy_use got;
		struct request_directives demand;
		read_heads(rows[i].request, 200, rows[i].response);
		request_directives_read(&request, &demand);
		struct policy_stored stored =
		    stored_row(NOW - 100, 50, NOW + rows[i].ttl_s, NOW + rows[i].ttl_s + rows[i].buffer);
		policy_use_judge(policy, &demand, &stored, NOW, &got);
		if (got.verdict != rows[i].verdict || got.stale_if_unreachable != rows[i].unreachable ||
		    got.stale_if_5xx != rows[i].on_5xx || strcmp(got.fwd, rows[i].fwd) != 0 || got.age_s != 150 ||
		    got.ttl_s != rows[i].ttl_s || got.reason[0] == '\0')
			fail_msg("%s: %s/ %s ttl %lld: verdict %d, unreachable %d, 5xx %d, fwd %s "
				 "(%s): %s",
			    rows[i].section, rows[i].request, rows[i].response, (long long)rows[i].ttl_s, got.verdict,
			    got.stale_if_unreachable, got.stale_if_5xx, got.fwd, got.reason, rows[i].reason);
	}
}

#define VERIFY_USE(policy, rows) check_use(policy, rows, sizeof(rows) / sizeof *(rows))
#define REQ "Cache-Control: "
#define RES "Cache-Control: "

static void a_fresh_answer_is_used_unless_either_side_objects(void **state)
{
	(void)state;
	static const struct use rows[] = {
	    {"4.2", "", "", 10, 100, POLICY_HIT, true, false, "", "fresh"},
	    {"4.2", "", RES "must-revalidate\n", 10, 0, POLICY_HIT, true, false, "",
		"must-revalidate is about stale ones"},
	    {"4.2", "", "", 0, 100, POLICY_REVALIDATE, true, false, "stale", "the last second is over"},
	    {"4.2", "", RES "must-revalidate\n", 0, 100, POLICY_REVALIDATE, false, false, "stale",
		"for must-revalidate too"},
	    {"5.2.2.4", "", RES "no-cache\n", 10, 100, POLICY_REVALIDATE, false, false, "stale",
		"no-cache is always asked"},
	    {"5.2.1.4", REQ "no-cache\n", "", 10, 100, POLICY_REVALIDATE, false, false, "request",
		"the client said no-cache"},
	    {"5.4", "Pragma: no-cache\n", "", 10, 100, POLICY_REVALIDATE, false, false, "request", "in the old way"},
	    {"5.4", "Pragma: no-cache\n" REQ "max-age=500\n", "", 10, 100, POLICY_HIT, true, false, "",
		"which Cache-Control overrides"},
	    {"5.2.1.1", REQ "max-age=150\n", "", 10, 100, POLICY_HIT, true, false, "", "young enough"},
	    {"5.2.1.1", REQ "max-age=149\n", "", 10, 100, POLICY_REVALIDATE, true, false, "request", "too old"},
	    {"5.2.1.1", REQ "max-age=x\n", "", 10, 100, POLICY_REVALIDATE, true, false, "request",
		"no number is the strictest"},
	    {"5.2.1.3", REQ "min-fresh=10\n", "", 10, 100, POLICY_HIT, true, false, "", "enough left"},
	    {"5.2.1.3", REQ "min-fresh=11\n", "", 10, 100, POLICY_REVALIDATE, true, false, "request",
		"not enough left"},
	    {"5.2.1.5", REQ "no-store\n", "", 10, 100, POLICY_HIT, true, false, "",
		"no-store is not about what is stored already"},
	    {"8246 2.1", REQ "max-age=0\n", RES "immutable\n", 10, 100, POLICY_HIT, true, false, "",
		"a reload of what is immutable"},
	    {"8246 2.1", REQ "no-cache\n", RES "immutable\n", 10, 100, POLICY_REVALIDATE, false, false, "request",
		"a forced one"},
	    {"8246 2", "", RES "immutable\n", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"immutable is about fresh ones"},
	    {"5861 4", REQ "max-age=0\n", RES "stale-if-error=5\n", 10, 100, POLICY_REVALIDATE, true, true, "request",
		"fresh when the origin errs"},
	};
	VERIFY_USE(&shared, rows);
}

static void stale_answer_with_must_revalidate_is_never_served(void **state)
{
	(void)state;
	static const char *const forbidding[] = {RES "must-revalidate", RES "proxy-revalidate", RES "s-maxage=60",
	    RES "no-cache", RES "no-cache=\"a b\"", "CDN-Cache-Control: must-revalidate"};
	static const char *const permitting[] = {
	    "", REQ "max-stale\n", REQ "max-stale=1000\n", REQ "stale-if-error=1000\n"};
	for (size_t i = 0; i < sizeof forbidding / sizeof *forbidding; i++)
		for (size_t k = 0; k < sizeof permitting / sizeof *permitting; k++) {
			char fields[200];
			snprintf(fields, sizeof fields, "%s, stale-while-revalidate=1000, stale-if-error=1000\n",
			    forbidding[i]);
			struct use row = {"4.2.4", permitting[k], fields, -10, 1000, POLICY_REVALIDATE, false, false,
			    "stale", "forbidden by the response"};
			check_use(&shared, &row, 1);
		}
	static const struct use mine[] = {
	    {"5.2.2.8", "", RES "proxy-revalidate\n", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"proxy-revalidate is not for a private cache"},
	    {"5.2.2.10", REQ "max-stale\n", RES "s-maxage=1\n", -10, 100, POLICY_STALE, true, false, "",
		"nor is s-maxage"},
	    {"5.2.2.2", REQ "max-stale\n", RES "must-revalidate\n", -10, 100, POLICY_REVALIDATE, false, false, "stale",
		"must-revalidate is for all"},
	};
	VERIFY_USE(&private, mine);
}

static void a_stale_answer_needs_somebodys_permission(void **state)
{
	(void)state;
	static const struct use rows[] = {
	    {"4.2.4", "", "", -10, 100, POLICY_REVALIDATE, true, false, "stale", "only disconnected"},
	    {"4.2.4", "", "", -100, 100, POLICY_REVALIDATE, false, false, "stale", "and within stale_until"},
	    {"5.2.1.2", REQ "max-stale\n", "", -10, 100, POLICY_STALE, true, false, "", "any staleness"},
	    {"5.2.1.2", REQ "max-stale=10\n", "", -10, 100, POLICY_STALE, true, false, "", "just so"},
	    {"5.2.1.2", REQ "max-stale=9\n", "", -10, 100, POLICY_REVALIDATE, true, false, "stale", "too stale"},
	    {"5.2.1.2", REQ "max-stale=x\n", "", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"no number permits nothing"},
	    {"5.2.1.2", REQ "max-stale\n", "", -100, 100, POLICY_REVALIDATE, false, false, "stale",
		"what the user wrote in stale_until stands"},
	    {"5.2.1.2", REQ "max-stale, max-age=149\n", "", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"too old"},
	    {"5.2.1.2", REQ "max-stale, max-age=0\n", "", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"a reload is a reload"},
	    {"5.2.1.3", REQ "max-stale, min-fresh=0\n", "", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"min-fresh wants a fresh one"},
	    {"5861 3", "", RES "stale-while-revalidate=11\n", -10, 100, POLICY_REFRESH, true, false, "",
		"within the window"},
	    {"5861 3", "", RES "stale-while-revalidate=10\n", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"at its end"},
	    {"5861 3", "", RES "stale-while-revalidate=x\n", -10, 100, POLICY_REVALIDATE, true, false, "stale",
		"no number is no window"},
	    {"5861 3", "", RES "stale-while-revalidate=11\n", -10, 10, POLICY_REVALIDATE, false, false, "stale",
		"beyond stale_until"},
	    {"5.2.1.1", REQ "max-age=500\n", RES "stale-while-revalidate=11\n", -10, 100, POLICY_REVALIDATE, true,
		false, "stale", "max-age alone asks for a fresh one"},
	    {"5.2.1.3", REQ "min-fresh=1\n", RES "stale-while-revalidate=11\n", -10, 100, POLICY_REVALIDATE, true,
		false, "stale", "as does min-fresh"},
	    {"5861 4", "", RES "stale-if-error=11\n", -10, 100, POLICY_REVALIDATE, true, true, "stale",
		"within the window"},
	    {"5861 4", "", RES "stale-if-error=10\n", -10, 100, POLICY_REVALIDATE, false, false, "stale", "at its end"},
	    {"5861 4", REQ "stale-if-error=11\n", "", -10, 100, POLICY_REVALIDATE, true, true, "stale",
		"the request may say it too"},
	    {"5861 4", REQ "stale-if-error=11\n", RES "stale-if-error=5\n", -10, 100, POLICY_REVALIDATE, true, true,
		"stale", "the wider of the two"},
	    {"5861 4", REQ "stale-if-error=11, no-cache\n", "", -10, 100, POLICY_REVALIDATE, false, false, "request",
		"not against no-cache"},
	};
	VERIFY_USE(&shared, rows);
}

static void what_is_no_whole_response_is_a_miss(void **state)
{
	(void)state;
	static const int statuses[] = {0, 103, 206, 304};
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		struct policy_use got;
		struct request_directives demand;
		read_heads("", statuses[i], "");
		request_directives_read(&request, &demand);
		struct policy_stored stored = stored_row(NOW, 0, NOW + 100, NOW + 200);
		policy_use_judge(&shared, &demand, &stored, NOW, &got);
		assert_int_equal(got.verdict, POLICY_MISS);
		assert_false(got.stale_if_unreachable);
	}
}

static void columns_may_hold_anything(void **state)
{
	(void)state;
	static const int64_t extremes[] = {INT64_MIN, -1, 0, NOW, INT64_MAX};
	struct policy_use got;
	struct request_directives demand;
	read_heads(REQ "max-stale, max-age=5\n", 200, RES "stale-while-revalidate=5\n");
	request_directives_read(&request, &demand);
	for (size_t a = 0; a < 5; a++)
		for (size_t b = 0; b < 5; b++)
			for (size_t c = 0; c < 5; c++) {
				struct policy_stored stored =
				    stored_row(extremes[a], extremes[b], extremes[c], extremes[(a + b + c) % 5]);
				policy_use_judge(&shared, &demand, &stored, NOW, &got);
				assert_true(got.age_s >= 0);
			}
}

static void a_request_is_read_for_what_it_asks(void **state)
{
	(void)state;
	struct request_directives d;
	read_heads("Cache-Control: max-age=5, MIN-FRESH=\"6\"\nCache-Control: only-if-cached\n", 200, "");
	request_directives_read(&request, &d);
	assert_int_equal(d.max_age_s, 5);
	assert_int_equal(d.min_fresh_s, 6);
	assert_int_equal(d.max_stale_s, -1);
	assert_int_equal(d.stale_if_error_s, -1);
	assert_true(d.only_if_cached);
	assert_false(d.no_cache || d.no_store);
	read_heads("Cache-Control: no-store, max-stale, stale-if-error=7\n", 200, "");
	request_directives_read(&request, &d);
	assert_true(d.no_store);
	assert_true(d.max_stale_s == INT64_MAX);
	assert_int_equal(d.stale_if_error_s, 7);
	assert_int_equal(d.max_age_s, -1);
}

static void methods_that_change_state_are_unsafe(void **state)
{
	(void)state;
	assert_false(policy_is_unsafe(span_of("GET")));
	assert_false(policy_is_unsafe(span_of("HEAD")));
	assert_false(policy_is_unsafe(span_of("OPTIONS")));
	assert_true(policy_is_unsafe(span_of("POST")));
	assert_true(policy_is_unsafe(span_of("get"))); /* RFC 9110 9.1: methods have a case */
	assert_true(policy_is_unsafe(span_of("BREW")));
}

static int start(void **state)
{
	(void)state;
	message_init(&request);
	message_init(&response);
	return 0;
}

static int end(void **state)
{
	(void)state;
	message_fini(&request);
	message_fini(&response);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_fresh_answer_is_used_unless_either_side_objects),
	    TEST(stale_answer_with_must_revalidate_is_never_served),
	    TEST(a_stale_answer_needs_somebodys_permission),
	    TEST(what_is_no_whole_response_is_a_miss),
	    TEST(columns_may_hold_anything),
	    TEST(a_request_is_read_for_what_it_asks),
	    TEST(methods_that_change_state_are_unsafe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
