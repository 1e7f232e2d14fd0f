/* Byte ranges (RFC 9110 14): what is answered in parts, what with the whole, what with 416. */
#include "http/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include <cmocka.h>

static void ranges_are_resolved_against_the_body(void **state)
{
	(void)state;
	static const struct {
		const char *section, *value;
		int64_t body_bytes;
		const char *want, *reason;
	} rows[] = {
	    {"9110 14.1.2", "bytes=0-499", 10000, "0-499 ", "the first 500 bytes"},
	    {"9110 14.1.2", "bytes=500-", 10000, "500-9999 ", "from a byte on"},
	    {"9110 14.1.2", "bytes=-500", 10000, "9500-9999 ", "the last 500"},
	    {"9110 14.1.2", "bytes=0-99999", 10000, "0-9999 ", "an end behind the end"},
	    {"9110 14.1.2", "bytes=-99999", 10000, "0-9999 ", "a suffix longer than all"},
	    {"9110 14.1.2", "bytes=0-0,-1", 10000, "0-0 9999-9999 ", "first and last byte"},
	    {"9110 14.1.2", "bytes=5-6, 0-1", 10, "5-6 0-1 ", "in the order asked"},
	    {"9110 14.1.2", "bytes=0-1,99-, 4-5", 10, "0-1 4-5 ", "those outside are left out"},
	    {"9110 14.1", "BYTES=0-1", 10, "0-1 ", "units have no case"},
	    {"9110 5.6.1", "bytes= 0-1 ,, 4-5,", 10, "0-1 4-5 ", "white space, empty members"},
	    {"9110 14.1.2", "bytes=9-9", 10, "9-9 ", "the last byte"},
	    {"9110 14.1.2", "bytes=0-99999999999999999999", 10, "0-9 ", "a number beyond 64 bits"},
	    {"9110 14.1.2", "bytes=0-10", 10, "0-9 ", "one byte too many"},
	    {"9110 14.1.2", "bytes=-10", 10, "0-9 ", "a suffix as long as all"},
	    {"9110 14.1.2", "bytes=10-", 10, "416", "from behind the end"},
	    {"9110 14.1.2", "bytes=99999999999999999999-", 10, "416", "far behind it"},
	    {"9110 14.1.2", "bytes=-0", 10, "416", "the last no bytes"},
	    {"9110 14.1.2", "bytes=0-", 0, "416", "nothing has no first byte"},
	    {"9110 14.2", "bytes=-5", 0, "200", "the last of nothing cannot be named in 206"},
	    {"9110 14.2", "bytes=5-4", 10, "200", "backwards is malformed"},
	    {"9110 14.2", "bytes=0-1,5-4", 10, "200", "one malformed spoils all"},
	    {"9110 14.2", "bytes=", 10, "200", "no range"},
	    {"9110 14.2", "bytes=,", 10, "200", "only empty members"},
	    {"9110 14.2", "bytes=-", 10, "200", "a dash"},
	    {"9110 14.2", "bytes=a-b", 10, "200", "no numbers"},
	    {"9110 14.2", "bytes=0-1x", 10, "200", "rubbish behind"},
	    {"9110 14.2", "bytes=0 - 1", 10, "200", "spaces inside"},
	    {"9110 14.2", "bytes=--1", 10, "200", "two dashes"},
	    {"9110 14.2", "bytes 0-1", 10, "200", "no equals sign"},
	    {"9110 14.1", "lines=0-1", 10, "200", "another unit"},
	    {"9110 14.2", "", 10, "200", "empty"},
	    {"9110 17.15", "bytes=0-5,3-8", 10, "0-5 3-8 ", "two that overlap are taken"},
	    {"9110 17.15", "bytes=0-,0-,0-,0-", 10, "200", "many that overlap are not"},
	    {"9110 17.15", "bytes=0-9,1-9,2-9", 10, "200", "nor three that all overlap"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct range ranges[RANGE_MAX];
		size_t count;
		char got[128] = "";
		enum range_verdict verdict = range_resolve(span_of(rows[i].value), rows[i].body_bytes, ranges, &count);
		if (verdict != RANGE_SOME)
			snprintf(got, sizeof got, "%s", verdict == RANGE_IGNORE ? "200" : "416");
		for (size_t k = 0; verdict == RANGE_SOME && k < count; k++)
			snprintf(got + strlen(got), sizeof got - strlen(got), "%lld-%lld ", (long long)ranges[k].first,
			    (long long)ranges[k].last);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: <%s> of %lld gave %s, not %s: %s", rows[i].section, rows[i].value,
			    (long long)rows[i].body_bytes, got, rows[i].want, rows[i].reason);
	}
}

static void more_ranges_than_the_limit_are_answered_with_the_whole(void **state)
{
	(void)state;
	char value[8192] = "bytes=";
	for (int i = 0; i < RANGE_MAX; i++)
		snprintf(value + strlen(value), sizeof value - strlen(value), "%d-%d,", 10 * i, 10 * i);
	struct range ranges[RANGE_MAX];
	size_t count;
	assert_int_equal(range_resolve(span_of(value), 10000, ranges, &count), RANGE_SOME);
	assert_int_equal(count, RANGE_MAX);
	strcat(value, "9999-");
	assert_int_equal(range_resolve(span_of(value), 10000, ranges, &count), RANGE_IGNORE);
}

static void many_ranges_must_ascend_and_not_overlap(void **state)
{
	(void)state;
	static const struct {
		int count;
		const char *last, *reason;
		enum range_verdict verdict;
	} rows[] = {
	    {RANGE_DISORDERED - 1, "5-5", "a few may come in any order", RANGE_SOME},
	    {RANGE_DISORDERED, "5-5", "more may not", RANGE_IGNORE},
	    {RANGE_DISORDERED, "9000-", "more that ascend", RANGE_SOME},
	    {RANGE_DISORDERED, "151-", "next to the one before", RANGE_SOME},
	    {RANGE_DISORDERED, "150-", "overlapping it", RANGE_IGNORE},
	    {254, "-1", "as zchunk asks", RANGE_SOME},
	    {254, "0-9999", "all once more", RANGE_IGNORE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char value[8192] = "bytes=";
		struct range ranges[RANGE_MAX];
		size_t count;
		for (int k = 0; k < rows[i].count; k++)
			snprintf(value + strlen(value), sizeof value - strlen(value), "%d-%d,", 10 * k, 10 * k);
		strcat(value, rows[i].last);
		if (range_resolve(span_of(value), 10000, ranges, &count) != rows[i].verdict)
			fail_msg("%d ranges and %s: %s", rows[i].count, rows[i].last, rows[i].reason);
	}
}

static void a_content_range_is_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *section, *value;
		bool valid;
		int64_t first, last, complete;
		const char *reason;
	} rows[] = {
	    {"9110 14.4", "bytes 42-1233/1234", true, 42, 1233, 1234, "the RFC's example"},
	    {"9110 14.4", "bytes 42-1233/*", true, 42, 1233, -1, "complete length unknown"},
	    {"9110 14.4", "bytes */1234", false, 0, 0, 0, "no range in it"},
	    {"9110 14.4", "bytes 5-4/10", false, 0, 0, 0, "backwards"},
	    {"9110 14.4", "bytes 0-10/10", false, 0, 0, 0, "beyond the whole"},
	    {"9110 14.4", "bytes 0-9/10", true, 0, 9, 10, "all of it"},
	    {"9110 14.4", "bytes 0-0/0", false, 0, 0, 0, "a byte of nothing"},
	    {"9110 14.4", "bytes=0-9/10", false, 0, 0, 0, "an equals sign"},
	    {"9110 14.4", "bytes 0-9", false, 0, 0, 0, "no complete length"},
	    {"9110 14.4", "bytes 0-9/10x", false, 0, 0, 0, "rubbish behind"},
	    {"9110 14.4", "bytes 0-99999999999999999999/*", false, 0, 0, 0, "beyond 64 bits"},
	    {"9110 14.4", "items 0-9/10", false, 0, 0, 0, "another unit"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct range range = {0, 0};
		int64_t complete = 0;
		int result = range_parse_content_range(span_of(rows[i].value), &range, &complete);
		bool right = rows[i].valid ? result == 0 && range.first == rows[i].first &&
						 range.last == rows[i].last && complete == rows[i].complete
					   : result == -1;
		if (!right)
			fail_msg("%s: <%s>: %s", rows[i].section, rows[i].value, rows[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ranges_are_resolved_against_the_body),
	    cmocka_unit_test(more_ranges_than_the_limit_are_answered_with_the_whole),
	    cmocka_unit_test(many_ranges_must_ascend_and_not_overlap),
	    cmocka_unit_test(a_content_range_is_read_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
