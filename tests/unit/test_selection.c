/* The plan for a request (RFC 9111 4): tables of what is stored, what the rules say and what is asked. */
#include "proxy/selection.h"

#include "http/policy_storing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NOW = 1793000000, WHOLE_BYTES = 4 << 20 };

static const struct policy shared_cache = {.targets = NULL};

#define FRESH "Cache-Control: max-age=3600\n"
#define TAG "\"a\""

static const struct rule_decision no_rule = {.store = RULE_SILENT};
static const struct rule_decision denies = {.store = RULE_SILENT, .deny = true, .deny_rule = 11};
static const struct rule_decision offline = {.store = RULE_SILENT, .offline = true, .offline_rule = 12};
static const struct rule_decision online = {.store = RULE_SILENT, .offline = false, .offline_rule = 12};
static const struct rule_decision never_stores = {.store = 0, .store_rule = 13};
static const struct rule_decision makes_fresh = {.store = RULE_SILENT, .fresh_for_s = 500, .fresh_rule = 14};
static const struct rule_decision offline_while_young = {
    .store = RULE_SILENT, .offline = true, .offline_rule = 12, .stale_ok_s = 60, .stale_rule = 15};

/* One stored variant (response NULL: none), fetched 100 s ago, and the bytes stored of a body that is not whole. */
struct stored {
	const char *response, *vary, *etag;
	int64_t ttl_s, stale_for_s;
	int64_t ahead_s; /* it says that it was fetched so long after now */
	bool withdrawn, lost_body;
	int64_t part_first, part_bytes; /* part_bytes 0: no parts */
	bool stale_parts, lost_parts;
};

struct expected {
	enum selection_action action;
	const char *fwd;
	int64_t rule_id;
	const char *reason; /* a part of it */
};

struct situation {
	const char *claim;
	struct stored stored;
	const struct rule_decision *rules; /* NULL: none */
	const char *method;                /* NULL: GET */
	const char *request;
	struct selection_request ask; /* the members that are neither given above nor pointers */
	struct expected expected;
};

static char *copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static struct entry *make_entry(const struct stored *stored)
{
	struct entry *e = entry_new();
	assert_non_null(e);
	free(e->vary);
	free(e->headers);
	e->id = 7;
	e->status = 200;
	e->vary = strdup(stored->vary != NULL ? stored->vary : "");
	e->headers = strdup(stored->response);
	e->etag = copy(stored->etag);
	e->fetched_at = NOW - 100 + (stored->ahead_s != 0 ? 100 + stored->ahead_s : 0);
	e->fresh_until = NOW + stored->ttl_s;
	e->stale_until = stored->withdrawn ? POLICY_STORING_WITHDRAWN : e->fresh_until + stored->stale_for_s;
	return e;
}

static void make_parts(const struct stored *stored, struct index_parts *parts)
{
	static const struct stored fresh = {.response = FRESH, .etag = TAG, .ttl_s = 500};
	*parts = (struct index_parts){.whole_bytes = WHOLE_BYTES, .count = 1, .of = make_entry(&fresh)};
	parts->parts = calloc(1, sizeof *parts->parts);
	parts->parts[0].first_byte = stored->part_first;
	parts->parts[0].body_bytes = stored->part_bytes;
	if (stored->stale_parts)
		parts->of->fresh_until = NOW - 1;
}

static void store(const struct stored *stored, const struct head *request, struct selection *s)
{
	selection_init(s);
	if (stored->response != NULL) {
		s->rows.entries = calloc(1, sizeof(struct entry *));
		s->rows.entries[0] = make_entry(stored);
		s->rows.count = 1;
	}
	selection_choose(s, request);
	if (stored->part_bytes > 0)
		make_parts(stored, &s->parts);
	s->lost_body = stored->lost_body;
	s->lost_parts = stored->lost_parts;
}

static void decide(const struct situation *is, struct selection *s, struct selection_plan *plan)
{
	struct head request;
	struct request_directives directives;
	struct selection_request ask = is->ask;
	message_init(&request);
	assert_int_equal(message_parse_fields(&request, span_of(is->request)), 0);
	request.method = span_of(is->method != NULL ? is->method : "GET");
	request_directives_read(&request, &directives);
	ask.head = &request;
	ask.directives = &directives;
	ask.policy = &shared_cache;
	ask.rules = is->rules != NULL ? is->rules : &no_rule;
	store(&is->stored, &request, s);
	selection_decide(s, &ask, NOW, plan);
	message_fini(&request);
}

static void check(const struct situation *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct expected *want = &rows[i].expected;
		struct selection s;
		struct selection_plan plan;
		decide(&rows[i], &s, &plan);
		if (plan.action != want->action || strcmp(plan.fwd, want->fwd) != 0 || plan.rule_id != want->rule_id ||
		    strstr(plan.reason, want->reason) == NULL)
			fail_msg("%s: action %d, wanted %d; fwd \"%s\", wanted \"%s\"; rule %lld, wanted %lld; \"%s\", "
				 "wanted "
				 "\"%s\"",
			    rows[i].claim, plan.action, want->action, plan.fwd, want->fwd, (long long)plan.rule_id,
			    (long long)want->rule_id, plan.reason, want->reason);
		assert_ptr_equal(plan.entry, s.lost_body ? NULL : s.entry);
		selection_fini(&s);
	}
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void a_stored_response_is_served_where_both_sides_allow_it(void **state)
{
	(void)state;
	static const struct situation rows[] = {
	    {.claim = "fresh",
		.stored = {.response = FRESH, .ttl_s = 10},
		.request = "",
		.expected = {SELECTION_HIT, "", 0, "fresh for 10 s"}},
	    {.claim = "fresh, for HEAD too",
		.stored = {.response = FRESH, .ttl_s = 10},
		.method = "HEAD",
		.request = "",
		.expected = {SELECTION_HIT, "", 0, "fresh for 10 s"}},
	    {.claim = "a rule makes it fresh, and is named",
		.stored = {.response = FRESH, .ttl_s = -10},
		.rules = &makes_fresh,
		.request = "",
		.expected = {SELECTION_HIT, "", 14, "by rule 14"}},
	    {.claim = "max-stale",
		.stored = {.response = FRESH, .ttl_s = -10, .stale_for_s = 100},
		.request = "Cache-Control: max-stale=20\n",
		.expected = {SELECTION_STALE, "", 0, "max-stale in the request"}},
	    {.claim = "stale-while-revalidate",
		.stored = {.response = "Cache-Control: max-age=1, stale-while-revalidate=60\n",
		    .ttl_s = -10,
		    .stale_for_s = 60},
		.request = "",
		.expected = {SELECTION_STALE_AND_REFRESH, "", 0, "RFC 5861 3"}},
	    {.claim = "nothing is refreshed with --offline",
		.stored = {.response = "Cache-Control: max-age=1, stale-while-revalidate=60\n",
		    .ttl_s = -10,
		    .stale_for_s = 60},
		.request = "",
		.ask = {.offline = true},
		.expected = {SELECTION_STALE, "", 0, "RFC 5861 3"}},
	    {.claim = "nor where a rule forbids it",
		.stored = {.response = "Cache-Control: max-age=1, stale-while-revalidate=60\n",
		    .ttl_s = -10,
		    .stale_for_s = 60},
		.rules = &offline,
		.request = "",
		.expected = {SELECTION_STALE, "", 0, "RFC 5861 3"}},
	    {.claim = "only-if-cached is content with a hit",
		.stored = {.response = FRESH, .ttl_s = 10},
		.request = "Cache-Control: only-if-cached\n",
		.expected = {SELECTION_HIT, "", 0, "fresh"}},
	    {.claim = "the variant matches",
		.stored = {.response = FRESH "Vary: X-Tongue\n", .vary = "x-tongue: de", .ttl_s = 10},
		.request = "X-Tongue: de\n",
		.expected = {SELECTION_HIT, "", 0, "fresh"}},
	};
	CHECK(rows);
}

static void what_is_stale_is_validated_where_it_has_a_validator(void **state)
{
	(void)state;
	static const struct situation rows[] = {
	    {.claim = "stale, with a tag",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = -10, .stale_for_s = 100},
		.request = "",
		.expected = {SELECTION_VALIDATE, "stale", 0, "stale for 10 s"}},
	    {.claim = "stale, without",
		.stored = {.response = FRESH, .ttl_s = -10, .stale_for_s = 100},
		.request = "",
		.expected = {SELECTION_FETCH, "stale", 0, "stale for 10 s"}},
	    {.claim = "withdrawn by the origin",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = -10, .withdrawn = true},
		.request = "",
		.expected = {SELECTION_VALIDATE, "stale", 0, "withdrawn"}},
	    {.claim = "dated ahead",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = 9999, .ahead_s = 4000},
		.request = "",
		.expected = {SELECTION_VALIDATE, "stale", 0, "dated 4000 s in the future"}},
	    {.claim = "a request with no-cache",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = 10},
		.request = "Cache-Control: no-cache\n",
		.expected = {SELECTION_VALIDATE, "request", 0, "no-cache in the request"}},
	    {.claim = "a 304 freshened nothing before",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = -10},
		.request = "",
		.ask = {.unconditional = true, .alone = true},
		.expected = {SELECTION_FETCH, "stale", 0, "stale"}},
	    {.claim = "a rule forbids to store it: what is stored is of no use",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = 10},
		.rules = &never_stores,
		.request = "",
		.expected = {SELECTION_FETCH, "bypass", 13, "rule 13: store=0"}},
	    {.claim = "its body is gone",
		.stored = {.response = FRESH, .etag = TAG, .ttl_s = -10, .lost_body = true},
		.request = "",
		.expected = {SELECTION_FETCH, "stale", 0, "body file is missing"}},
	    {.claim = "another variant with a tag may still be confirmed",
		.stored = {.response = FRESH "Vary: X-Tongue\n", .vary = "x-tongue: de", .etag = TAG, .ttl_s = 10},
		.request = "X-Tongue: fr\n",
		.expected = {SELECTION_VALIDATE, "vary-miss", 0, "no variant is for this request"}},
	    {.claim = "another variant without",
		.stored = {.response = FRESH "Vary: X-Tongue\n", .vary = "x-tongue: de", .ttl_s = 10},
		.request = "X-Tongue: fr\n",
		.expected = {SELECTION_FETCH, "vary-miss", 0, "no variant is for this request"}},
	};
	CHECK(rows);
}

static void without_the_network_there_is_what_is_stored_or_a_504(void **state)
{
	(void)state;
	static const struct situation rows[] = {
	    {.claim = "only-if-cached, nothing stored",
		.request = "Cache-Control: only-if-cached\n",
		.expected = {SELECTION_ONLY_IF_CACHED, "uri-miss", 0, "nothing is stored"}},
	    {.claim = "only-if-cached counts before offline",
		.stored = {.response = FRESH, .ttl_s = -10, .stale_for_s = 100},
		.rules = &offline,
		.request = "Cache-Control: only-if-cached\n",
		.expected = {SELECTION_ONLY_IF_CACHED, "stale", 0, "stale for 10 s"}},
	    {.claim = "a rule keeps it offline: however stale",
		.stored = {.response = FRESH, .ttl_s = -9999},
		.rules = &offline,
		.request = "",
		.expected = {SELECTION_OFFLINE_STALE, "stale", 12, "stale for 9999 s"}},
	    {.claim = "another rule limits how stale",
		.stored = {.response = FRESH, .ttl_s = -61, .stale_for_s = 9999},
		.rules = &offline_while_young,
		.request = "",
		.expected = {SELECTION_OFFLINE, "stale", 12, "stale for 61 s"}},
	    {.claim = "nothing stored",
		.rules = &offline,
		.request = "",
		.expected = {SELECTION_OFFLINE, "uri-miss", 12, "nothing is stored"}},
	    {.claim = "--offline, within the stale window",
		.stored = {.response = FRESH, .ttl_s = -10, .stale_for_s = 100},
		.request = "",
		.ask = {.offline = true},
		.expected = {SELECTION_OFFLINE_STALE, "stale", 0, "stale for 10 s"}},
	    {.claim = "--offline, beyond it; a rule with offline=0 is not to blame",
		.stored = {.response = FRESH, .ttl_s = -10, .stale_for_s = 5},
		.rules = &online,
		.request = "",
		.ask = {.offline = true},
		.expected = {SELECTION_OFFLINE, "stale", 0, "stale for 10 s"}},
	    {.claim = "--offline, its body gone",
		.stored = {.response = FRESH, .ttl_s = 10, .lost_body = true},
		.request = "",
		.ask = {.offline = true},
		.expected = {SELECTION_OFFLINE, "vary-miss", 0, "body file is missing"}},
	    {.claim = "withdrawn: no rule revives it",
		.stored = {.response = FRESH, .ttl_s = -10, .withdrawn = true},
		.rules = &offline,
		.request = "",
		.expected = {SELECTION_OFFLINE, "stale", 12, "withdrawn"}},
	};
	CHECK(rows);
}

static void what_is_not_stored_is_fetched_as_suits_the_request(void **state)
{
	(void)state;
	static const struct situation rows[] = {
	    {.claim = "nothing stored",
		.request = "",
		.expected = {SELECTION_FETCH, "uri-miss", 0, "nothing is stored"}},
	    {.claim = "HEAD",
		.method = "HEAD",
		.request = "",
		.expected = {SELECTION_PASS, "uri-miss", 0, "nothing is stored"}},
	    {.claim = "a range near the beginning",
		.request = "Range: bytes=1048576-1048580\n",
		.expected = {SELECTION_FETCH, "uri-miss", 0, ""}},
	    {.claim = "a range far ahead",
		.request = "Range: bytes=1048577-1048580\n",
		.expected = {SELECTION_FETCH_RANGE, "uri-miss", 0, ""}},
	    {.claim = "a range near what is being received",
		.request = "Range: bytes=1048577-1048580\n",
		.ask = {.received = 1, .body_bytes = -1},
		.expected = {SELECTION_FETCH, "uri-miss", 0, ""}},
	    {.claim = "the end of a body whose length nobody knows",
		.request = "Range: bytes=-10\n",
		.ask = {.body_bytes = -1},
		.expected = {SELECTION_FETCH_RANGE, "uri-miss", 0, ""}},
	    {.claim = "the end of a short body that is being received",
		.request = "Range: bytes=-10\n",
		.ask = {.received = 1, .body_bytes = 100},
		.expected = {SELECTION_FETCH, "uri-miss", 0, ""}},
	    {.claim = "a range of what was not to be shared before",
		.request = "Range: bytes=0-1\n",
		.ask = {.passes = true},
		.expected = {SELECTION_FETCH_RANGE, "uri-miss", 0, ""}},
	    {.claim = "a condition on what was not to be shared before",
		.request = "If-None-Match: \"b\"\n",
		.ask = {.passes = true},
		.expected = {SELECTION_PASS, "uri-miss", 0, ""}},
	    {.claim = "a condition on anything else is evaluated here",
		.request = "If-None-Match: \"b\"\n",
		.expected = {SELECTION_FETCH, "uri-miss", 0, ""}},
	};
	CHECK(rows);
}

static void stored_parts_serve_what_lies_within_them(void **state)
{
	(void)state;
	static const struct situation rows[] = {
	    {.claim = "all of the range",
		.stored = {.part_first = 3000000, .part_bytes = 100},
		.request = "Range: bytes=3000010-3000099\n",
		.expected = {SELECTION_PARTS, "", 0, "fresh"}},
	    {.claim = "not its last byte",
		.stored = {.part_first = 3000000, .part_bytes = 100},
		.request = "Range: bytes=3000010-3000100\n",
		.expected = {SELECTION_FETCH_RANGE, "partial", 0, "only parts of it"}},
	    {.claim = "the whole body is asked for",
		.stored = {.part_first = 0, .part_bytes = 100},
		.request = "",
		.expected = {SELECTION_FETCH, "partial", 0, "only parts of it"}},
	    {.claim = "the whole body is there",
		.stored = {.part_first = 0, .part_bytes = WHOLE_BYTES},
		.request = "",
		.expected = {SELECTION_PARTS, "", 0, "fresh"}},
	    {.claim = "several ranges",
		.stored = {.part_first = 0, .part_bytes = WHOLE_BYTES},
		.request = "Range: bytes=0-1,5-6\n",
		.expected = {SELECTION_FETCH_RANGE, "partial", 0, ""}},
	    {.claim = "stale parts are never served",
		.stored = {.part_first = 0, .part_bytes = 100, .stale_parts = true},
		.request = "Range: bytes=0-9\n",
		.expected = {SELECTION_FETCH, "partial", 0, ""}},
	    {.claim = "their file is gone",
		.stored = {.part_first = 0, .part_bytes = 100, .lost_parts = true},
		.request = "Range: bytes=0-9\n",
		.expected = {SELECTION_FETCH, "partial", 0, ""}},
	    {.claim = "If-Range names another version",
		.stored = {.part_first = 0, .part_bytes = 100},
		.request = "Range: bytes=0-9\nIf-Range: \"b\"\n",
		.expected = {SELECTION_FETCH, "partial", 0, ""}},
	};
	CHECK(rows);
}

static void rules_that_deny_and_requests_for_the_origin_need_no_store(void **state)
{
	(void)state;
	static const struct situation rows[] = {
	    {.claim = "denied, though it is fresh",
		.stored = {.response = FRESH, .ttl_s = 10},
		.rules = &denies,
		.request = "",
		.expected = {SELECTION_DENY, "", 11, "denied by rule 11"}},
	    {.claim = "denied, whatever the method",
		.rules = &denies,
		.method = "POST",
		.request = "",
		.expected = {SELECTION_DENY, "", 11, "denied by rule 11"}},
	    {.claim = "POST",
		.method = "POST",
		.request = "",
		.expected = {SELECTION_PASS, "method", 0, "GET and HEAD"}},
	    {.claim = "If-Match",
		.stored = {.response = FRESH, .ttl_s = 10},
		.request = "If-Match: \"a\"\n",
		.expected = {SELECTION_PASS, "bypass", 0, "RFC 9110 13.1.1"}},
	    {.claim = "If-Unmodified-Since, offline by a rule",
		.rules = &offline,
		.request = "If-Unmodified-Since: Mon, 26 Oct 2026 07:33:20 GMT\n",
		.expected = {SELECTION_OFFLINE, "", 12, "RFC 9110 13.1.1"}},
	    {.claim = "a GET with content",
		.stored = {.response = FRESH, .ttl_s = 10},
		.request = "",
		.ask = {.has_content = true},
		.expected = {SELECTION_PASS, "bypass", 0, "content"}},
	};
	CHECK(rows);
}

static void a_fetch_is_shared_unless_a_request_is_special(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		bool alone, shared;
	} rows[] = {
	    {"", false, true},
	    {"", true, false},
	    {"Cache-Control: no-cache\n", false, false},
	    {"Cache-Control: no-store\n", false, false},
	    {"Range: bytes=2000000-\n", false, false},
	    {"Range: bytes=0-9\n", false, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct situation is = {.request = rows[i].request, .ask = {.alone = rows[i].alone, .body_bytes = -1}};
		struct selection s;
		struct selection_plan plan;
		decide(&is, &s, &plan);
		if (plan.shared != rows[i].shared)
			fail_msg("%s: shared %d", rows[i].request, plan.shared);
		selection_fini(&s);
	}
}

static void a_part_is_served_from_its_first_byte_to_its_last(void **state)
{
	(void)state;
	struct situation is = {
	    .stored = {.part_first = 3000000, .part_bytes = 100}, .request = "Range: bytes=3000010-3000019\n"};
	struct selection s;
	struct selection_plan plan;
	decide(&is, &s, &plan);
	assert_int_equal(plan.action, SELECTION_PARTS);
	assert_int_equal(plan.first, 3000010);
	assert_int_equal(plan.last, 3000019);
	assert_int_equal(plan.use.ttl_s, 500);
	selection_fini(&s);
}

static void time_that_a_fetch_took_counts_for_what_may_be_served_stale(void **state)
{
	(void)state;
	struct situation is = {
	    .stored = {.response = FRESH, .etag = TAG, .ttl_s = -10, .stale_for_s = 20}, .request = ""};
	struct head request;
	struct request_directives directives;
	struct selection s;
	struct selection_plan plan;
	decide(&is, &s, &plan);
	assert_true(plan.use.stale_if_unreachable);
	message_init(&request);
	request_directives_read(&request, &directives);
	struct selection_request ask = {
	    .head = &request, .directives = &directives, .policy = &shared_cache, .rules = &no_rule};
	selection_judge_again(&s, &ask, NOW + 11, &plan);
	assert_int_equal(plan.action, SELECTION_VALIDATE);
	assert_false(plan.use.stale_if_unreachable);
	message_fini(&request);
	selection_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_stored_response_is_served_where_both_sides_allow_it),
	    cmocka_unit_test(what_is_stale_is_validated_where_it_has_a_validator),
	    cmocka_unit_test(without_the_network_there_is_what_is_stored_or_a_504),
	    cmocka_unit_test(what_is_not_stored_is_fetched_as_suits_the_request),
	    cmocka_unit_test(stored_parts_serve_what_lies_within_them),
	    cmocka_unit_test(rules_that_deny_and_requests_for_the_origin_need_no_store),
	    cmocka_unit_test(a_fetch_is_shared_unless_a_request_is_special),
	    cmocka_unit_test(a_part_is_served_from_its_first_byte_to_its_last),
	    cmocka_unit_test(time_that_a_fetch_took_counts_for_what_may_be_served_stale),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
