/* The head of an answer as text. */
#include "http/response_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const struct response_head *r, const char *want)
{
	struct buf out;
	buf_init(&out, BUF_HEAD);
	response_head_write(&out, r);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

static void stored_lines_are_written_as_they_are(void **state)
{
	(void)state;
	struct response_head r = {.status = 200, .fields = span_of("A: 1\nA: 2\nb: x\n"), .age_s = -1};
	expect(&r, "HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\nb: x\r\n");
}

static void an_unknown_status_has_an_empty_reason_and_its_space(void **state)
{
	(void)state;
	struct response_head r = {.status = 299, .age_s = -1};
	expect(&r, "HTTP/1.1 299 \r\n"); /* RFC 9112 4 */
}

static void age_via_and_cache_status_follow(void **state)
{
	(void)state;
	struct response_head r = {.status = 200, .fields = span_of("Via: 1.0 other\n"), .age_s = 7, .via = "me"};
	response_head_say(&r, "hit");
	response_head_say(&r, "ttl=%d", 3);
	expect(
	    &r, "HTTP/1.1 200 OK\r\nVia: 1.0 other\r\nVia: 1.1 me\r\nAge: 7\r\nCache-Status: curlew; hit; ttl=3\r\n");
}

static void a_location_of_ours_replaces_the_stored_one(void **state)
{
	(void)state;
	struct response_head r = {
	    .status = 302, .fields = span_of("location: http://a/\nX: y\n"), .location = "/a/", .age_s = -1};
	expect(&r, "HTTP/1.1 302 Found\r\nX: y\r\nLocation: /a/\r\n");
}

static void a_long_member_is_cut_not_overrun(void **state)
{
	(void)state;
	struct response_head r = {.age_s = -1};
	for (int i = 0; i < 100; i++)
		response_head_say(&r, "detail=\"%s\"", "0123456789012345678901234567890123456789");
	assert_true(strlen(r.cache_status) < RESPONSE_HEAD_STATUS);
}

static void the_key_is_told_of_all_but_plain_hits(void **state)
{
	(void)state;
	static const struct {
		const char *said, *url, *want;
	} rows[] = {
	    {"fwd=miss", "http://a/", "curlew; fwd=miss; key=\"http://a/\""},
	    {"fwd=miss", "http://a/\"\\", "curlew; fwd=miss; key=\"http://a/\\\"\\\\\""},
	    {"fwd=miss", "http://a/\n\xc3\xa9", "curlew; fwd=miss; key=\"http://a/   \""},
	    {"hit; ttl=3", "http://a/", "curlew; hit; ttl=3"},
	    {"hit; ttl=-3; detail=\"stale\"", "http://a/", "curlew; hit; ttl=-3; detail=\"stale\"; key=\"http://a/\""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct response_head r = {.age_s = -1};
		response_head_say(&r, "%s", rows[i].said);
		response_head_key(&r, rows[i].url);
		assert_string_equal(r.cache_status, rows[i].want);
	}
	char long_url[400];
	memset(long_url, 'x', sizeof long_url - 1);
	long_url[sizeof long_url - 1] = '\0';
	struct response_head r = {.age_s = -1};
	response_head_say(&r, "fwd=miss");
	response_head_key(&r, long_url);
	assert_string_equal(r.cache_status, "curlew; fwd=miss"); /* a key that is cut would be another's */
}

static void the_lanes_short_cut_writes_the_same_words(void **state)
{
	(void)state;
	static const struct {
		int64_t age_s, ttl_s, rule;
	} rows[] = {
	    {12, 34, 0}, {12, 34, 7}, {0, 0, 0}, {10, -1, 9}, {100, 99, 101}, {INT64_MAX, INT64_MIN, INT64_MIN}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char tail[RESPONSE_HEAD_HIT_LINES], items[RESPONSE_HEAD_HIT];
		size_t n = response_head_write_hit(tail, rows[i].age_s, rows[i].ttl_s, rows[i].rule);
		struct response_head r = {.status = 200, .age_s = rows[i].age_s};
		size_t said = response_head_hit(items, rows[i].ttl_s, rows[i].rule);
		assert_int_equal(said, strlen(items));
		response_head_say(&r, "%s", items);
		response_head_key(&r, "http://a/"); /* has nothing to add */
		struct buf out;
		buf_init(&out, BUF_HEAD);
		response_head_write(&out, &r);
		assert_int_equal(out.len - strlen("HTTP/1.1 200 OK\r\n"), n);
		assert_memory_equal(buf_str(&out) + strlen("HTTP/1.1 200 OK\r\n"), tail, n);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stored_lines_are_written_as_they_are),
	    cmocka_unit_test(an_unknown_status_has_an_empty_reason_and_its_space),
	    cmocka_unit_test(age_via_and_cache_status_follow),
	    cmocka_unit_test(a_location_of_ours_replaces_the_stored_one),
	    cmocka_unit_test(a_long_member_is_cut_not_overrun),
	    cmocka_unit_test(the_key_is_told_of_all_but_plain_hits),
	    cmocka_unit_test(the_lanes_short_cut_writes_the_same_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
