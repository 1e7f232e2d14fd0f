/* HTTP dates: the three forms of RFC 9110 5.6.7 are read, everything near them is not. */
#include "http/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NOW = 1793000000 }; /* Mon, 26 Oct 2026 07:33:20 GMT */

struct row {
	const char *section;
	const char *text;
	int64_t at;
	const char *reason;
};

static void check_read(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t at = -1;
		if (!date_parse(span_of(rows[i].text), NOW, &at) || at != rows[i].at)
			fail_msg("%s: \"%s\" gave %lld, not %lld: %s", rows[i].section, rows[i].text, (long long)at,
			    (long long)rows[i].at, rows[i].reason);
	}
}

static void each_of_the_three_forms_is_read(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"9110 5.6.7", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777, "the RFC's example"},
	    {"9110 5.6.7", "Sunday, 06-Nov-94 08:49:37 GMT", 784111777, "RFC 850"},
	    {"9110 5.6.7", "Sun Nov  6 08:49:37 1994", 784111777, "asctime, padded day"},
	    {"9110 5.6.7", "Wed Nov 16 08:49:37 1994", 784975777, "asctime, two-digit day"},
	    {"9110 5.6.7", "  Sun, 06 Nov 1994 08:49:37 GMT\t", 784111777, "white space around"},
	    {"9110 5.6.7", "Thu, 01 Jan 1970 00:00:00 GMT", 0, "the epoch"},
	    {"9110 5.6.7", "Wed, 31 Dec 1969 23:59:59 GMT", -1, "before it"},
	    {"9110 5.6.7", "Tue, 29 Feb 2000 12:00:00 GMT", 951825600, "leap day of a 400th year"},
	    {"9110 5.6.7", "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800, "a leap second"},
	    {"9110 5.6.7", "Sat, 20 Nov 2286 17:46:39 GMT", 9999999999, "beyond 32 bits"},
	    {"9110 5.6.7", "Mon, 18 Aug 2050 02:01:18 GMT", 2544400878, "the day name is not compared"},
	    {"9111 4.2", "sun, 06 NOV 1994 08:49:37 gMT", 784111777, "a cache ignores case"},
	    {"9111 4.2", "SUNDAY, 06-nov-94 08:49:37 GMT", 784111777, "also in RFC 850"},
	};
	check_read(rows, sizeof rows / sizeof *rows);
}

static void a_two_digit_year_is_never_more_than_50_years_ahead(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"9110 5.6.7", "Thursday, 18-Aug-50 02:01:18 GMT", 2544400878, "24 years ahead"},
	    {"9110 5.6.7", "Sunday, 25-Oct-76 00:00:00 GMT", 3370809600, "just within 50 years"},
	    {"9110 5.6.7", "Wednesday, 27-Oct-76 00:00:00 GMT", 215222400, "just beyond: 1976"},
	    {"9110 5.6.7", "Friday, 31-Dec-99 23:59:59 GMT", 946684799, "1999"},
	};
	check_read(rows, sizeof rows / sizeof *rows);
}

static void what_is_no_http_date_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *reason;
	} rows[] = {
	    {"", "empty"},
	    {"0", "a number"},
	    {"-1", "what Expires often says"},
	    {"Sun, 06 Nov 1994 08:49:37 UTC", "not GMT"},
	    {"Sun, 06 Nov 1994 08:49:37 AEST", "another zone"},
	    {"Sun, 06 Nov 1994 08:49:37 +0000", "a numeric zone"},
	    {"Sun, 06 Nov 94 08:49:37 GMT", "two-digit year in IMF-fixdate"},
	    {"Sun 06 Nov 1994 08:49:37 GMT", "no comma"},
	    {"Sun, 06  Nov  1994 08:49:37 GMT", "two spaces"},
	    {"Sun, 06-Nov-1994 08:49:37 GMT", "dashes"},
	    {"Sun, 06 Nov 1994 08.49.37 GMT", "dots"},
	    {"Sun, 06 Nov 1994 8:49:37 GMT", "one-digit hour"},
	    {"Sun, 6 Nov 1994 08:49:37 GMT", "one-digit day"},
	    {"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "two dates"},
	    {"06 Nov 1994 08:49:37 GMT", "no day name"},
	    {"Foo, 06 Nov 1994 08:49:37 GMT", "no such day"},
	    {"Sun, 06 Foo 1994 08:49:37 GMT", "no such month"},
	    {"Sun, 00 Nov 1994 08:49:37 GMT", "day 0"},
	    {"Sun, 31 Nov 1994 08:49:37 GMT", "November has 30 days"},
	    {"Tue, 29 Feb 1900 08:49:37 GMT", "1900 was no leap year"},
	    {"Sun, 06 Nov 1994 24:00:00 GMT", "hour 24"},
	    {"Sun, 06 Nov 1994 08:60:00 GMT", "minute 60"},
	    {"Sun, 06 Nov 1994 08:49:61 GMT", "second 61"},
	    {"Sun, 06-Nov-94 08:49:37 GMT", "short day name in RFC 850"},
	    {"Sun Nov 6 08:49:37 1994", "unpadded asctime"},
	    {"Sun Nov  6 08:49:37 1994 GMT", "asctime with a zone"},
	    {"Sunday, 06-Nov-94 08:49:37 GMT+1", "RFC 850 and more"},
	    {"Sunday, 06-Nov-94 08:49:37 UTC", "RFC 850 and not GMT"},
	    {"Sun Nov 06 08:49:37 94", "asctime with two digits"},
	    {"Sun, 06 Nov 1994 08:49:37", "cut short"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t at;
		if (date_parse(span_of(rows[i].text), NOW, &at))
			fail_msg("\"%s\" was read: %s", rows[i].text, rows[i].reason);
	}
}

/* Copied to exact size, so that a sanitizer sees a read beyond the end. */
static void a_date_cut_anywhere_is_refused(void **state)
{
	(void)state;
	static const char *const whole[] = {
	    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		for (size_t n = 1; n < strlen(whole[i]); n++) {
			int64_t at;
			char *cut = malloc(n);
			assert_non_null(cut);
			memcpy(cut, whole[i], n);
			assert_false(date_parse(span_make(cut, n), NOW, &at));
			free(cut);
		}
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	char text[DATE_BYTES];
	date_format(784111777, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	/* The step is a prime: all months, days and hours come by. */
	for (int64_t at = -60000000000; at < 250000000000; at += 999999937) {
		int64_t back;
		date_format(at, text);
		assert_true(date_parse(span_of(text), NOW, &back));
		assert_int_equal(back, at);
	}
}

static void a_time_beyond_the_calendar_is_written_as_its_end(void **state)
{
	(void)state;
	char text[DATE_BYTES];
	date_format(INT64_MAX, text);
	assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
	date_format(INT64_MIN, text);
	assert_string_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_of_the_three_forms_is_read),
	    cmocka_unit_test(a_two_digit_year_is_never_more_than_50_years_ahead),
	    cmocka_unit_test(what_is_no_http_date_is_refused),
	    cmocka_unit_test(a_date_cut_anywhere_is_refused),
	    cmocka_unit_test(what_is_written_is_read_back),
	    cmocka_unit_test(a_time_beyond_the_calendar_is_written_as_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
