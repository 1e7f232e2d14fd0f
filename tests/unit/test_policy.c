/*
 * What is stored and for how long (RFC 9111 3, 4.2; RFC 9213). Each row is a case of its own: what
 * was asked and answered, and what must follow. Where a row has no Date, the response came without
 * one. Reuse is in test_policy_use.c.
 */

#include "http/policy_storing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NOW = 1793000000, WEEK = 7 * 86400, MONTH = 30 * 86400 };

#define AT_NOW "Mon, 26 Oct 2026 07:33:20 GMT"
#define HOUR_AGO "Mon, 26 Oct 2026 06:33:20 GMT"
#define IN_AN_HOUR "Mon, 26 Oct 2026 08:33:20 GMT"
#define DAYS_AGO_20 "Tue, 06 Oct 2026 07:33:20 GMT"
#define YEARS_AGO_2 "Sat, 26 Oct 2024 07:33:20 GMT"

static const char *const targets[] = {"Curlew-Cache-Control", "CDN-Cache-Control"};
static const struct policy shared = {false, targets, 2};
static const struct policy private = {true, targets, 2};

static struct head request, response, update;

static void read_heads(const char *request_fields, int status, const char *response_fields)
{
	assert_int_equal(message_parse_fields(&request, span_of(request_fields)), 0);
	assert_int_equal(message_parse_fields(&response, span_of(response_fields)), 0);
	request.method = span_of("GET");
	response.status = status;
}

static struct policy_exchange exchange(int64_t asked_at, const struct head *freshened_by)
{
	return (struct policy_exchange){.request = &request,
	    .response = &response,
	    .asked_at = asked_at,
	    .answered_at = NOW,
	    .freshened_by = freshened_by};
}

enum { NOT_STORED = -1000000000 }; /* in place of a lifetime */

struct storing {
	const char *section, *request;
	int status;
	const char *response;
	int64_t fresh_for_s, stale_for_s;
	const char *reason;
};

static void check_storing(const struct policy *policy, const struct storing *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct policy_storing got;
		read_heads(rows[i].request, rows[i].status, rows[i].response);
		struct policy_exchange x = exchange(NOW, NULL);
		policy_storing_judge(policy, &x, &got);
		bool stored = rows[i].fresh_for_s != NOT_STORED;
		bool right = stored ? got.store && got.fresh_for_s == rows[i].fresh_for_s &&
					  got.stale_for_s == rows[i].stale_for_s
				    : !got.store && got.fresh_for_s == 0 && got.stale_for_s == 0;
		if (!right || got.reason[0] == '\0')
			fail_msg("%s: %s%d %s: store %d, fresh %lld, stale %lld (%s): %s", rows[i].section,
			    rows[i].request, rows[i].status, rows[i].response, got.store, (long long)got.fresh_for_s,
			    (long long)got.stale_for_s, got.reason, rows[i].reason);
	}
}

#define VERIFY_STORING(policy, rows) check_storing(policy, rows, sizeof(rows) / sizeof *(rows))

static void a_stated_lifetime_is_read_as_the_rfc_says(void **state)
{
	(void)state;
	static const struct storing rows[] = {
	    {"4.2.1", "", 200, "Cache-Control: max-age=3600\n", 3600, MONTH, "max-age"},
	    {"5.2", "", 200, "Cache-Control: MaX-aGe=3600\n", 3600, MONTH, "names have no case"},
	    {"5.2", "", 200, "Cache-Control: max-age=\"3600\"\n", 3600, MONTH, "quoted"},
	    {"5.2", "", 200, "Cache-Control: max-age=003600\n", 3600, MONTH, "leading noughts"},
	    {"5.2.3", "", 200, "Cache-Control: foobar, max-age=60, x=\"max-age=1\"\n", 60, MONTH,
		"extensions are ignored, also in quotes"},
	    {"1.2.2", "", 200, "Cache-Control: max-age=99999999999\n", 2147483648, MONTH, "overflow"},
	    {"4.2.1", "", 200, "Cache-Control: max-age=1, max-age=60\n", 1, MONTH, "the first counts"},
	    {"4.2.1", "", 200, "Cache-Control: max-age=60\nCache-Control: max-age=1\n", 60, MONTH, "over lines too"},
	    {"4.2.1", "", 200, "Cache-Control: max-age=-60\n", 0, MONTH, "negative is stale"},
	    {"4.2.1", "", 200, "Cache-Control: max-age=60a\n", 0, MONTH, "no number is stale"},
	    {"4.2.1", "", 200, "Cache-Control: max-age='60'\n", 0, MONTH, "single quotes"},
	    {"4.2.1", "", 200, "Cache-Control: max-age =60\n", 0, MONTH, "white space"},
	    {"4.2.1", "", 200, "Cache-Control: max-age\n", 0, MONTH, "no argument is stale"},
	    {"5.2.2.10", "", 200, "Cache-Control: max-age=1, s-maxage=60\n", 60, 0, "s-maxage wins"},
	    {"5.2.2.10", "", 200, "Cache-Control: s-maxage=1\nCache-Control: max-age=60\nETag: \"a\"\n", 1, 0,
		"in any order"},
	    {"5.2.2.10", "", 200, "Cache-Control: s-maxage=x, max-age=60\nETag: \"a\"\n", 0, 0,
		"no number is stale, not ignored"},
	    {"5.3", "", 200, "Date: " AT_NOW "\nExpires: " IN_AN_HOUR "\n", 3600, MONTH, "Expires"},
	    {"5.3", "", 200, "Expires: " IN_AN_HOUR "\n", 3600, MONTH, "counted from now without Date"},
	    {"5.3", "", 200, "Date: foo\nExpires: " IN_AN_HOUR "\n", 3600, MONTH, "or with a bad one"},
	    {"5.3", "", 200, "Date: " IN_AN_HOUR "\nExpires: " IN_AN_HOUR "\n", 0, MONTH,
		"a clock ahead does not add to it"},
	    {"5.3", "", 200, "Date: " HOUR_AGO "\nExpires: " AT_NOW "\n", 0, MONTH,
		"a clock behind: its hour has passed, 4.2.3"},
	    {"5.3", "", 200, "Expires: 0\nETag: \"a\"\n", 0, MONTH, "no date means past"},
	    {"5.3", "", 200, "Expires: " IN_AN_HOUR ", " IN_AN_HOUR "\n", 0, MONTH, "two are none"},
	    {"5.3", "", 200, "Expires: " IN_AN_HOUR "\nCache-Control: max-age=60\n", 60, MONTH,
		"max-age overrides Expires"},
	    {"5.3", "", 200, "Expires: 0\nCache-Control: max-age=60\n", 60, MONTH, "even a bad one"},
	    {"5.3", "", 200, "Expires: " IN_AN_HOUR "\nCache-Control: max-age=0\nETag: \"a\"\n", 0, MONTH,
		"even max-age=0"},
	    {"5.3", "", 200, "Expires: Sun, 21 Nov 2286 04:46:39 GMT\n", 2147483648, MONTH, "far off"},
	    {"5861 3", "", 200, "Cache-Control: max-age=1, stale-while-revalidate=9999999\n", 1, 9999999,
		"a longer window stays longer"},
	    {"5861 4", "", 200, "Cache-Control: max-age=1, stale-if-error=60\n", 1, 60,
		"what the origin says of errors is an upper limit"},
	};
	VERIFY_STORING(&shared, rows);
}

static void what_may_not_be_stored_is_not(void **state)
{
	(void)state;
	static const struct storing rows[] = {
	    {"5.2.2.5", "", 200, "Cache-Control: max-age=60, no-store\n", NOT_STORED, 0, "no-store"},
	    {"5.2.2.5", "", 200, "Cache-Control: No-StOrE\nExpires: " IN_AN_HOUR "\n", NOT_STORED, 0, "in any case"},
	    {"5.2.2.7", "", 200, "Cache-Control: private, max-age=60\n", NOT_STORED, 0, "private"},
	    {"5.2.2.7", "", 200, "Cache-Control: private=\"a b\", max-age=60\n", NOT_STORED, 0,
		"what is no list of names is taken as plain"},
	    {"5.2.2.7", "", 200, "Cache-Control: private=\"\", max-age=60\n", NOT_STORED, 0, "nor is an empty one"},
	    {"5.2.2.7", "", 200, "Cache-Control: private=\"a\", private, max-age=60\n", NOT_STORED, 0,
		"the stricter of the two"},
	    {"5.2.2.7", "", 200, "Cache-Control: private =\"a\", max-age=60\n", NOT_STORED, 0, "also when malformed"},
	    {"5.2.1.5", "Cache-Control: no-store\n", 200, "Cache-Control: max-age=60\n", NOT_STORED, 0,
		"the request said so"},
	    {"3.5", "Authorization: x\n", 200, "Expires: " IN_AN_HOUR "\n", NOT_STORED, 0, "authorised"},
	    {"3.5", "Authorization: x\n", 200, "Cache-Control: max-age=60, proxy-revalidate\n", NOT_STORED, 0,
		"proxy-revalidate does not lift that"},
	    {"3.5", "Authorization: x\n", 200, "Cache-Control: public, max-age=60\n", 60, MONTH, "public does"},
	    {"3.5", "Authorization: x\n", 200, "Cache-Control: must-revalidate, max-age=60\n", 60, 0,
		"must-revalidate does"},
	    {"3.5", "Authorization: x\n", 200, "Cache-Control: s-maxage=60\n", 60, 0, "s-maxage does"},
	    {"4.1", "", 200, "Vary: *\nCache-Control: max-age=60\n", NOT_STORED, 0, "Vary: *"},
	    {"4.1", "", 200, "Vary: a\nVary: b, *\nCache-Control: max-age=60\n", NOT_STORED, 0, "in a list"},
	    {"3", "", 200, "", NOT_STORED, 0, "neither lifetime nor validator"},
	    {"3", "", 200, "Last-Modified: yesterday\n", NOT_STORED, 0, "no date, no validator"},
	    {"3", "", 200, "Cache-Control: max-age=0, must-revalidate\n", NOT_STORED, 0, "never to be used"},
	    {"3", "", 200, "Cache-Control: no-cache, max-age=60\n", NOT_STORED, 0, "nothing to validate with"},
	    {"4.2.2", "", 200, "Set-Cookie: a=b\nLast-Modified: " DAYS_AGO_20 "\n", NOT_STORED, 0,
		"no guessing with somebody's cookie"},
	    {"7.3", "", 200, "Set-Cookie: a=b\nCache-Control: no-cache\nETag: \"a\"\n", NOT_STORED, 0,
		"nor validated reuse"},
	    {"7.3", "", 200, "Set-Cookie: a=b\nCache-Control: max-age=60\n", 60, MONTH,
		"but with a lifetime the origin means it"},
	};
	VERIFY_STORING(&shared, rows);
	read_heads("", 200, "Cache-Control: max-age=60\n");
	static const char *const methods[] = {"HEAD", "POST", "PUT", "OPTIONS", "get"};
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		struct policy_storing got;
		request.method = span_of(methods[i]);
		struct policy_exchange x = exchange(NOW, NULL);
		policy_storing_judge(&shared, &x, &got);
		assert_false(got.store);
	}
}

static void a_status_is_stored_when_its_rfc_allows(void **state)
{
	(void)state;
	static const int explicit[] = {200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414,
	    451, 499, 500, 501, 502, 503, 504, 599};
	static const int never[] = {100, 103, 199, 206, 304, 401, 407, 412, 416, 417, 428, 429, 431, 511, 600, 0};
	static const int guessed[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
	static const int not_guessed[] = {201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599};
	struct storing row = {"9110 15", "", 0, "Cache-Control: max-age=60\n", 60, MONTH, "stated"};
	for (size_t i = 0; i < sizeof explicit / sizeof *explicit; i++) {
		row.status = explicit[i];
		check_storing(&shared, &row, 1);
	}
	row.fresh_for_s = NOT_STORED;
	for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
		row.status = never[i];
		check_storing(&shared, &row, 1);
	}
	row.response = "Last-Modified: " DAYS_AGO_20 "\nETag: \"a\"\n";
	for (size_t i = 0; i < sizeof not_guessed / sizeof *not_guessed; i++) {
		row.status = not_guessed[i];
		check_storing(&shared, &row, 1);
	}
	row.fresh_for_s = 2 * 86400;
	for (size_t i = 0; i < sizeof guessed / sizeof *guessed; i++) {
		row.status = guessed[i];
		check_storing(&shared, &row, 1);
	}
	static const struct storing marked[] = {
	    {"4.2.2", "", 599, "Cache-Control: public\nLast-Modified: " DAYS_AGO_20 "\n", 2 * 86400, MONTH,
		"public allows guessing"},
	    {"5.2.2.3", "", 599, "Cache-Control: max-age=60, no-store, must-understand\n", NOT_STORED, 0,
		"not understood"},
	    {"5.2.2.3", "", 599, "Cache-Control: max-age=60, must-understand\n", NOT_STORED, 0,
		"also without no-store"},
	    {"5.2.2.3", "", 200, "Cache-Control: max-age=60, no-store, must-understand\n", 60, MONTH,
		"understood: no-store is for others"},
	};
	VERIFY_STORING(&shared, marked);
}

static void a_lifetime_is_guessed_only_when_none_is_stated(void **state)
{
	(void)state;
	static const struct storing rows[] = {
	    {"4.2.2", "", 200, "Last-Modified: " HOUR_AGO "\n", 360, MONTH, "a tenth"},
	    {"4.2.2", "", 200, "Last-Modified: " YEARS_AGO_2 "\n", WEEK, MONTH, "at most a week"},
	    {"4.2.2", "", 200, "Last-Modified: " IN_AN_HOUR "\n", 0, MONTH, "nothing from the future"},
	    {"4.2.2", "", 200, "Last-Modified: " HOUR_AGO "\nExpires: 0\n", 0, MONTH,
		"not beside an Expires, however bad"},
	    {"4.2.2", "", 200, "Last-Modified: " HOUR_AGO "\nCache-Control: max-age=x\n", 0, MONTH, "nor a max-age"},
	    {"4.3", "", 200, "ETag: \"a\"\n", 0, MONTH, "a validator alone: kept to be validated"},
	    {"4.3", "", 200, "ETag: \"a\"\nPragma: no-cache\n", 0, MONTH, "Pragma means nothing here"},
	    {"5.2.2.4", "", 200, "Last-Modified: " HOUR_AGO "\nCache-Control: no-cache\n", 0, 0,
		"no-cache, however old"},
	    {"5.2.2.4", "", 200, "ETag: \"a\"\nCache-Control: no-cache=\"x\", max-age=60\n", 60, MONTH,
		"with names it speaks of those alone"},
	    {"5.2.2.7", "", 200, "Cache-Control: private=\"x, y\", max-age=60\n", 60, MONTH, "so does private"},
	    {"5.2.2.7", "", 200, "Cache-Control: private=x, max-age=60\n", 60, MONTH, "also as a token"},
	};
	VERIFY_STORING(&shared, rows);
}

static void a_targeted_field_speaks_before_cache_control(void **state)
{
	(void)state;
	static const struct storing rows[] = {
	    {"9213 2.2", "", 200, "CDN-Cache-Control: max-age=60\nCache-Control: no-store\n", 60, MONTH,
		"over no-store"},
	    {"9213 2.2", "", 200, "CDN-Cache-Control: max-age=60\nExpires: 0\n", 60, MONTH, "over Expires"},
	    {"9213 2.2", "", 200, "CDN-Cache-Control: no-store\nCache-Control: max-age=60\n", NOT_STORED, 0,
		"also to forbid"},
	    {"9213 2.2", "", 200, "CDN-Cache-Control: private\nCache-Control: max-age=60\n", NOT_STORED, 0, "private"},
	    {"9213 2.2", "", 200, "CDN-Cache-Control: public\nExpires: " IN_AN_HOUR "\nETag: \"a\"\n", 0, MONTH,
		"Expires does not fill in"},
	    {"9213 2.2", "", 200, "CDN-Cache-Control: max-age=1\nCurlew-Cache-Control: max-age=60\n", 60, MONTH,
		"the first of our list, not of the message"},
	    {"9213 2.2", "", 200, "Other-Cache-Control: max-age=1\nCache-Control: max-age=60\n", 60, MONTH,
		"not somebody else's"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: max-age=99999999999\n", 2147483648, MONTH, "overflow"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: max-age=-1\n", 0, MONTH, "negative is stale"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: max-age=1\nCDN-Cache-Control: max-age=60\n", 60, MONTH,
		"the last of a key, as in dictionaries"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control:\nCache-Control: max-age=60\n", 60, MONTH, "an empty one is none"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: no-store, &&&\nCache-Control: max-age=60\n", 60, MONTH,
		"a broken one is none"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: max-age=\"60\"\nCache-Control: no-store\n", NOT_STORED, 0,
		"nor one with a string for a number"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: max-age=60.5\nCache-Control: no-store\n", NOT_STORED, 0,
		"or a decimal"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: no-store, max-age=6.5\nCache-Control: max-age=60\n", 60, MONTH,
		"whatever else it says"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: MAX-AGE=60\nCache-Control: no-store\n", NOT_STORED, 0,
		"keys are lower case"},
	    {"9213 2.1", "", 200, "CDN-Cache-Control: max-age=60;a=b, no-store=?0\n", 60, MONTH,
		"parameters are ignored, and false is not said"},
	};
	VERIFY_STORING(&shared, rows);
}

static void a_private_cache_stores_what_is_its_users(void **state)
{
	(void)state;
	static const struct storing rows[] = {
	    {"5.2.2.7", "", 200, "Cache-Control: private, max-age=60\n", 60, MONTH, "private"},
	    {"3.5", "Authorization: x\n", 200, "Cache-Control: max-age=60\n", 60, MONTH, "authorised"},
	    {"5.2.2.10", "", 200, "Cache-Control: s-maxage=60, max-age=1\n", 1, MONTH, "s-maxage is for others"},
	    {"5.2.2.8", "", 200, "Cache-Control: max-age=1, proxy-revalidate\n", 1, MONTH, "as is proxy-revalidate"},
	    {"5.2.2.2", "", 200, "Cache-Control: max-age=1, must-revalidate\n", 1, 0, "must-revalidate is for all"},
	    {"4.2.2", "", 200, "Set-Cookie: a=b\nLast-Modified: " HOUR_AGO "\n", 360, MONTH,
		"the cookie is the user's"},
	    {"4.2.2", "", 599, "Cache-Control: private\nLast-Modified: " HOUR_AGO "\n", 360, MONTH,
		"private marks as cacheable"},
	    {"5.2.2.5", "", 200, "Cache-Control: no-store, max-age=60\n", NOT_STORED, 0, "no-store"},
	};
	VERIFY_STORING(&private, rows);
}

static void age_on_arrival_is_counted(void **state)
{
	(void)state;
	static const struct {
		const char *section, *response;
		int64_t delay_s, age_s;
		const char *reason;
	} rows[] = {
	    {"4.2.3", "Age: 30\n", 0, 30, "Age"},
	    {"4.2.3", "Age: 30\n", 5, 35, "and the time it took"},
	    {"4.2.3", "", 5, 5, "which counts alone"},
	    {"4.2.3", "Date: " HOUR_AGO "\n", 5, 3600, "or the apparent age, if greater"},
	    {"4.2.3", "Date: " HOUR_AGO "\nAge: 7200\n", 0, 7200, "or Age, if greater"},
	    {"4.2.3", "Date: " IN_AN_HOUR "\n", 0, 0, "a Date ahead is no negative age"},
	    {"4.2.3", "", -5, 0, "nor is a clock set back"},
	    {"5.1", "Age: 7200, 0\n", 0, 7200, "the first of a list"},
	    {"5.1", "Age: 0\nAge: 7200\n", 0, 0, "and of lines"},
	    {"5.1", "Age: abc\n", 0, 0, "no number is ignored"},
	    {"5.1", "Age: -7200\n", 0, 0, "negative"},
	    {"5.1", "Age: 7200.0\n", 0, 0, "a fraction"},
	    {"5.1", "Age: 7200;foo=bar\n", 0, 0, "parameters"},
	    {"1.2.2", "Age: 99999999999\n", 0, 2147483648, "overflow"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char fields[256];
		struct policy_storing got;
		snprintf(fields, sizeof fields, "Cache-Control: max-age=3600\n%s", rows[i].response);
		read_heads("", 200, fields);
		struct policy_exchange x = exchange(NOW - rows[i].delay_s, NULL);
		policy_storing_judge(&shared, &x, &got);
		if (!got.store || got.initial_age_s != rows[i].age_s || got.fresh_for_s != 3600 - rows[i].age_s)
			fail_msg("%s: %s: age %lld: %s", rows[i].section, rows[i].response,
			    (long long)got.initial_age_s, rows[i].reason);
	}
}

static void after_a_304_its_age_and_date_count(void **state)
{
	(void)state;
	struct policy_storing got;
	read_heads("", 200, "Date: " DAYS_AGO_20 "\nCache-Control: max-age=3600\nETag: \"a\"\n");
	assert_int_equal(message_parse_fields(&update, span_of("Age: 10\n")), 0);
	struct policy_exchange x = exchange(NOW, &update);
	policy_storing_judge(&shared, &x, &got);
	assert_true(got.store);
	assert_int_equal(got.initial_age_s, 10);
	assert_int_equal(got.fresh_for_s, 3590);
}

static void an_answer_to_post_is_stored_when_it_says_that_it_is_the_target(void **state)
{
	(void)state;
	static const struct {
		const char *section, *method;
		int status;
		const char *response;
		bool represents_target, stored;
		const char *reason;
	} rows[] = {
	    {"9110 9.3.3", "POST", 200, "Cache-Control: max-age=60\n", true, true, "the target"},
	    {"9110 9.3.3", "POST", 200, "Cache-Control: max-age=60\n", false, false, "not it"},
	    {"9110 9.3.3", "POST", 200, "Date: " AT_NOW "\nLast-Modified: " DAYS_AGO_20 "\n", true, false,
		"no stated lifetime"},
	    {"9110 9.3.3", "POST", 201, "Cache-Control: max-age=60\n", true, false,
		"what was made is another resource"},
	    {"9110 9.3.4", "PUT", 200, "Cache-Control: max-age=60\n", true, false, "PUT is never"},
	    {"9110 9.3.2", "HEAD", 200, "Cache-Control: max-age=60\n", true, false, "HEAD has no body to keep"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_storing got;
		read_heads("", rows[i].status, rows[i].response);
		request.method = span_of(rows[i].method);
		struct policy_exchange x = {.request = &request,
		    .response = &response,
		    .asked_at = NOW,
		    .answered_at = NOW,
		    .represents_target = rows[i].represents_target};
		policy_storing_judge(&shared, &x, &got);
		if (got.store != rows[i].stored)
			fail_msg("%s: %s: %s: %s", rows[i].section, rows[i].method, got.reason, rows[i].reason);
	}
}

static void a_part_is_judged_as_its_whole(void **state)
{
	(void)state;
	read_heads("Range: bytes=0-1\n", 206, "ETag: \"a\"\nCache-Control: max-age=60\n");
	struct policy_exchange x = {.request = &request, .response = &response, .asked_at = NOW, .answered_at = NOW};
	struct policy_storing got;
	policy_storing_judge(&shared, &x, &got);
	assert_false(got.store);
	x.part = true;
	policy_storing_judge(&shared, &x, &got);
	assert_true(got.store);
	assert_int_equal(got.fresh_for_s, 60);
}

static void a_reason_is_a_sentence_with_its_section(void **state)
{
	(void)state;
	static const struct {
		const char *response, *reason;
	} rows[] = {
	    {"Cache-Control: max-age=3600\n", "max-age=3600, RFC 9111 4.2.1"},
	    {"Cache-Control: s-maxage=60\n", "s-maxage=60, RFC 9111 5.2.2.10"},
	    {"Cache-Control: no-store\n", "no-store, RFC 9111 5.2.2.5"},
	    {"Cache-Control: no-cache\nETag: \"a\"\n", "no-cache: validated at each use, RFC 9111 5.2.2.4"},
	    {"Date: " AT_NOW "\nLast-Modified: " DAYS_AGO_20 "\n",
		"heuristic, 10 % of 20 days since Last-Modified, RFC 9111 4.2.2"},
	    {"Date: " AT_NOW "\nLast-Modified: " AT_NOW "\n",
		"heuristic, 2 s for 0 s since Last-Modified, RFC 9111 4.2.2"},
	    {"Date: " AT_NOW "\nExpires: " IN_AN_HOUR "\n", "Expires 3600 s after Date, RFC 9111 5.3"},
	    {"Cache-Control: max-age=60\nAge: 90\n", "max-age=60, and 90 s old on arrival, RFC 9111 4.2.3"},
	    {"Cache-Control: max-age=60\nAge: 60\n", "max-age=60, and 60 s old on arrival, RFC 9111 4.2.3"},
	    {"CDN-Cache-Control: max-age=60\n", "max-age=60 in CDN-Cache-Control (RFC 9213), RFC 9111 4.2.1"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_storing got;
		read_heads("", 200, rows[i].response);
		struct policy_exchange x = exchange(NOW, NULL);
		policy_storing_judge(&shared, &x, &got);
		assert_string_equal(got.reason, rows[i].reason);
	}
}

static void what_the_origin_withdraws_is_told_from_what_a_client_provokes(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		int status;
		const char *response;
		bool withdraws;
		const char *reason;
	} rows[] = {
	    {"", 403, "", true, "forbidden now"},
	    {"", 404, "Cache-Control: max-age=60\n", true, "gone, also when that is stored"},
	    {"", 410, "", true, "gone"},
	    {"", 451, "", true, "taken down"},
	    {"", 200, "Cache-Control: no-store\n", true, "a page that nobody may keep any more"},
	    {"", 302, "", true, "a redirect without a lifetime"},
	    {"", 200, "Cache-Control: max-age=60\n", false, "it is stored in its place"},
	    {"", 200, "Cache-Control: max-age=60\nVary: *\n", true, "it cannot be"},
	    {"", 500, "", false, "an error"},
	    {"", 503, "Cache-Control: no-store\n", false, "an error"},
	    {"", 401, "", false, "the client's fault"},
	    {"", 429, "", false, "the client's fault"},
	    {"", 304, "", false, "a confirmation"},
	    {"", 206, "Cache-Control: no-store\n", false, "a part"},
	    {"Cookie: a=b\n", 404, "", true, "a cookie makes no request private"},
	    {"Range: bytes=0-1\n", 404, "", false, "a range"},
	    {"Authorization: x\n", 404, "", false, "somebody's own request"},
	    {"Cache-Control: no-store\n", 404, "", false, "a request that leaves no trace"},
	    {"Cache-Control: no-cache\n", 404, "", true, "a reload"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_storing verdict;
		read_heads(rows[i].request, rows[i].status, rows[i].response);
		struct policy_exchange x = exchange(NOW, NULL);
		policy_storing_judge(&shared, &x, &verdict);
		if (policy_storing_withdraws(&shared, &x, &verdict) != rows[i].withdraws)
			fail_msg("%s%d %s: %s", rows[i].request, rows[i].status, rows[i].response, rows[i].reason);
	}
	read_heads("Authorization: x\n", 404, "");
	struct policy_storing verdict = {.store = false};
	struct policy_exchange x = exchange(NOW, NULL);
	assert_true(policy_storing_withdraws(&private, &x, &verdict)); /* all requests are one user's */
	read_heads("", 200, "");
	verdict.rule_id = 3;
	assert_false(policy_storing_withdraws(&shared, &x, &verdict)); /* a rule forbids it, not the origin */
	request.method = span_of("HEAD");
	response.status = 404;
	assert_false(policy_storing_withdraws(&shared, &x, &verdict));
}

static int start(void **state)
{
	(void)state;
	message_init(&request);
	message_init(&response);
	message_init(&update);
	return 0;
}

static int end(void **state)
{
	(void)state;
	message_fini(&request);
	message_fini(&response);
	message_fini(&update);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_stated_lifetime_is_read_as_the_rfc_says),
	    TEST(what_may_not_be_stored_is_not),
	    TEST(a_status_is_stored_when_its_rfc_allows),
	    TEST(a_lifetime_is_guessed_only_when_none_is_stated),
	    TEST(a_targeted_field_speaks_before_cache_control),
	    TEST(a_private_cache_stores_what_is_its_users),
	    TEST(age_on_arrival_is_counted),
	    TEST(after_a_304_its_age_and_date_count),
	    TEST(an_answer_to_post_is_stored_when_it_says_that_it_is_the_target),
	    TEST(a_part_is_judged_as_its_whole),
	    TEST(what_the_origin_withdraws_is_told_from_what_a_client_provokes),
	    TEST(a_reason_is_a_sentence_with_its_section),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
