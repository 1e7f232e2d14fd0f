/* Conditions (RFC 9110 13), and fields as they are stored and freshened (RFC 9111 3.1, 3.2, 4.3.4).
 */

#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/freshening.h"
#include "http/stored_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NOW = 1793000000 };

#define AT_NOW "Mon, 26 Oct 2026 07:33:20 GMT"
#define HOUR_AGO "Mon, 26 Oct 2026 06:33:20 GMT"
#define IN_AN_HOUR "Mon, 26 Oct 2026 08:33:20 GMT"

static struct head request, response;
static struct buf out;

static void read_heads(const char *request_fields, int status, const char *response_fields)
{
	assert_int_equal(message_parse_fields(&request, span_of(request_fields)), 0);
	assert_int_equal(message_parse_fields(&response, span_of(response_fields)), 0);
	request.method = span_of("GET");
	response.status = status;
}

static void a_condition_is_judged_against_what_is_stored(void **state)
{
	(void)state;
	static const struct {
		const char *section, *request, *response;
		bool not_modified;
		const char *reason;
	} rows[] = {
	    {"13.1.2", "", "ETag: \"a\"\n", false, "no condition"},
	    {"13.1.2", "If-None-Match: \"a\"\n", "ETag: \"a\"\n", true, "the same tag"},
	    {"13.1.2", "If-None-Match: \"b\"\n", "ETag: \"a\"\n", false, "another"},
	    {"13.1.2", "If-None-Match: W/\"a\"\n", "ETag: \"a\"\n", true, "weakly compared"},
	    {"13.1.2", "If-None-Match: \"a\"\n", "ETag: W/\"a\"\n", true, "either way"},
	    {"13.1.2", "If-None-Match: \"x\", \"a,b\" ,\"a\"\n", "ETag: \"a\"\n", true, "in a list"},
	    {"13.1.2", "If-None-Match: \"x\"\nIf-None-Match: \"a\"\n", "ETag: \"a\"\n", true, "in a later line"},
	    {"13.1.2", "If-None-Match: \"x\", \"a,b\"\n", "ETag: \"a\"\n", false, "not in it"},
	    {"13.1.2", "If-None-Match: *\n", "", true, "anything"},
	    {"13.1.2", "If-None-Match: \"a\"\n", "", false, "no tag stored"},
	    {"13.1.2", "If-None-Match:\n", "ETag:\n", false, "empty ones are no tags"},
	    {"8.8.3", "If-None-Match: abc\n", "ETag: abc\n", true, "no tag, but given back as sent"},
	    {"8.8.3", "If-None-Match: abc\n", "ETag: \"abc\"\n", false, "quotes are not guessed"},
	    {"13.1.3", "If-None-Match: \"b\"\nIf-Modified-Since: " IN_AN_HOUR "\n",
		"ETag: \"a\"\nLast-Modified: " AT_NOW "\n", false, "the tag decides"},
	    {"13.1.3", "If-None-Match: \"a\"\nIf-Modified-Since: " HOUR_AGO "\n",
		"ETag: \"a\"\nLast-Modified: " AT_NOW "\n", true, "either way"},
	    {"13.1.3", "If-Modified-Since: " AT_NOW "\n", "Last-Modified: " AT_NOW "\n", true, "the same date"},
	    {"13.1.3", "If-Modified-Since: " AT_NOW "\n", "Last-Modified: " HOUR_AGO "\n", true,
		"unchanged since earlier"},
	    {"13.1.3", "If-Modified-Since: " HOUR_AGO "\n", "Last-Modified: " AT_NOW "\n", false, "changed since"},
	    {"13.1.3", "If-Modified-Since: Monday, 26-Oct-26 07:33:20 GMT\n", "Last-Modified: " AT_NOW "\n", true,
		"another form of date"},
	    {"13.1.3", "If-Modified-Since: now\n", "Last-Modified: " HOUR_AGO "\n", false, "no date is ignored"},
	    {"13.1.3", "If-Modified-Since: " AT_NOW "\nIf-Modified-Since: " AT_NOW "\n",
		"Last-Modified: " HOUR_AGO "\n", false, "two are ignored"},
	    {"9111 4.3.2", "If-Modified-Since: " AT_NOW "\n", "Date: " HOUR_AGO "\n", true,
		"Date stands in for Last-Modified"},
	    {"9111 4.3.2", "If-Modified-Since: " HOUR_AGO "\n", "Date: " AT_NOW "\n", false, "also to deny"},
	    {"9111 4.3.2", "If-Modified-Since: " AT_NOW "\n", "", false, "nothing to compare with"},
	    {"9111 4.3.2", "If-Match: \"b\"\n", "ETag: \"a\"\n", false, "If-Match is the origin's to judge"},
	    {"9111 4.3.2", "If-Unmodified-Since: " HOUR_AGO "\n", "Last-Modified: " AT_NOW "\n", false,
		"as is If-Unmodified-Since"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads(rows[i].request, 200, rows[i].response);
		enum conditions_verdict want = rows[i].not_modified ? CONDITIONS_NOT_MODIFIED : CONDITIONS_GO_ON;
		if (conditions_judge(&request, &response, NOW) != want)
			fail_msg("%s: %s/ %s: %s", rows[i].section, rows[i].request, rows[i].response, rows[i].reason);
	}
}

static void only_a_get_or_head_of_a_200_is_conditional(void **state)
{
	(void)state;
	read_heads("If-None-Match: *\n", 404, "ETag: \"a\"\n");
	assert_int_equal(conditions_judge(&request, &response, NOW), CONDITIONS_GO_ON);
	response.status = 200;
	request.method = span_of("HEAD");
	assert_int_equal(conditions_judge(&request, &response, NOW), CONDITIONS_NOT_MODIFIED);
	request.method = span_of("POST");
	assert_int_equal(conditions_judge(&request, &response, NOW), CONDITIONS_GO_ON);
}

static void a_range_is_taken_only_of_what_if_range_names(void **state)
{
	(void)state;
	static const struct {
		const char *section, *request, *response;
		bool applies;
		const char *reason;
	} rows[] = {
	    {"13.1.5", "", "ETag: \"a\"\n", true, "no If-Range"},
	    {"13.1.5", "If-Range: \"a\"\n", "ETag: \"a\"\n", true, "the same tag"},
	    {"13.1.5", "If-Range: \"b\"\n", "ETag: \"a\"\n", false, "another"},
	    {"13.1.5", "If-Range: W/\"a\"\n", "ETag: W/\"a\"\n", false, "weak ones never"},
	    {"13.1.5", "If-Range: \"a\"\n", "", false, "no tag stored"},
	    {"13.1.5", "If-Range: a\n", "ETag: a\n", false, "no tags"},
	    {"13.1.5", "If-Range: " HOUR_AGO "\n", "Date: " AT_NOW "\nLast-Modified: " HOUR_AGO "\n", true,
		"the same date"},
	    {"13.1.5", "If-Range: " AT_NOW "\n", "Date: " IN_AN_HOUR "\nLast-Modified: " HOUR_AGO "\n", false,
		"a later one is not the same"},
	    {"8.8.2.2", "If-Range: " AT_NOW "\n", "Date: " AT_NOW "\nLast-Modified: " AT_NOW "\n", false,
		"changed within the second"},
	    {"8.8.2.2", "If-Range: " AT_NOW "\n", "Last-Modified: " AT_NOW "\n", false, "no Date"},
	    {"13.1.5", "If-Range: \"a\"\nIf-Range: \"a\"\n", "ETag: \"a\"\n", false, "two are none"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads(rows[i].request, 200, rows[i].response);
		if (conditions_range_applies(&request, &response, NOW) != rows[i].applies)
			fail_msg("%s: %s/ %s: %s", rows[i].section, rows[i].request, rows[i].response, rows[i].reason);
	}
}

static void fields_are_stored_end_to_end_and_in_order(void **state)
{
	(void)state;
	static const struct {
		const char *section, *received, *stored, *reason;
	} rows[] = {
	    {"9111 3.1", "B: 2\nA: 1\nB: 3\nDate: " AT_NOW "\n", "B: 2\nA: 1\nB: 3\nDate: " AT_NOW "\n",
		"order and repetitions stay"},
	    {"9111 3.1",
		"Date: " AT_NOW "\nConnection: a, b\nA: 1\nb: 2\nC: 3\nKeep-Alive: 5\n"
		"Transfer-Encoding: chunked\nTrailer: x\nUpgrade: y\n",
		"Date: " AT_NOW "\nC: 3\n", "hop-by-hop ones go"},
	    {"9111 5.1", "Date: " AT_NOW "\nAge: 5\nContent-Length: 3\n", "Date: " AT_NOW "\n", "columns keep these"},
	    {"9110 6.6.1", "A: 1\n", "A: 1\nDate: " AT_NOW "\n", "a missing Date is added"},
	    {"9110 6.6.1", "Date: foo\nA: 1\n", "Date: " AT_NOW "\nA: 1\n", "a bad one is replaced"},
	    {"9110 6.6.1", "Date: " HOUR_AGO "\nDate: " AT_NOW "\n", "Date: " HOUR_AGO "\n", "of two the first"},
	    {"9111 3.1",
		"Date: " AT_NOW "\nSet-Cookie: a=b\nSet-Cookie: c=d\nEmpty:\nVia: 1.1 x\n"
		"Cache-Status: x; hit\n",
		"Date: " AT_NOW "\nSet-Cookie: a=b\nSet-Cookie: c=d\nEmpty: \nVia: 1.1 x\n"
		"Cache-Status: x; hit\n",
		"all else stays"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads("", 200, rows[i].received);
		assert_int_equal(stored_fields_make(&response, NOW, &out), 0);
		if (strcmp(buf_str(&out), rows[i].stored) != 0)
			fail_msg("%s: gave\n%s: %s", rows[i].section, buf_str(&out), rows[i].reason);
	}
}

static void a_304_replaces_fields_of_the_same_name(void **state)
{
	(void)state;
	static const struct {
		const char *section, *stored, *update, *result, *reason;
	} rows[] = {
	    {"3.2", "A: 1\nB: 2\n", "B: 3\n", "A: 1\nB: 3\n", "one"},
	    {"3.2", "A: 1\nB: 2\n", "C: 3\n", "A: 1\nB: 2\nC: 3\n", "new ones are added"},
	    {"3.2", "A: 1\nA: 2\nB: 3\n", "a: 4\na: 5\na: 6\n", "a: 4\na: 5\na: 6\nB: 3\n",
		"all lines of a name together"},
	    {"3.2", "A: 1\nB: 2\nA: 3\n", "A: 4\n", "A: 4\nB: 2\n", "wherever they stood"},
	    {"3.2", "Content-Length: 3\nA: 1\n", "Content-Length: 0\n", "Content-Length: 3\nA: 1\n",
		"not Content-Length"},
	    {"3.2", "Content-Encoding: br\n", "Content-Encoding: gzip\nContent-Range: bytes 0-1/2\n",
		"Content-Encoding: br\n", "nor what says how the bytes are coded"},
	    {"3.2", "Content-Type: text/plain\n", "Content-Type: text/html\n", "Content-Type: text/html\n",
		"but Content-Type, as bodies are kept unprocessed"},
	    {"3.1", "A: 1\n", "Connection: A, close\nA: 2\nKeep-Alive: 5\n", "A: 1\n", "nothing hop-by-hop"},
	    {"5.1", "A: 1\n", "Age: 5\n", "A: 1\n", "nor Age"},
	    {"4.3.4", "ETag: \"a\"\nCache-Control: max-age=1\nCache-Control: public\n",
		"ETag: W/\"a\"\nCache-Control: no-store\n", "ETag: W/\"a\"\nCache-Control: no-store\n",
		"directives of two answers are never mixed"},
	    {"8.8.3", "ETag: W/\"a\"\nA: 1\n", "ETag: \"a\"\nA: 2\n", "ETag: W/\"a\"\nA: 2\n", "a weak tag stays one"},
	    {"3.2", "A: 1\n", "", "A: 1\n", "nothing new"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads(rows[i].update, 200, rows[i].stored);
		assert_int_equal(stored_fields_update(&response, &request, true, &out), 0);
		if (strcmp(buf_str(&out), rows[i].result) != 0)
			fail_msg("9111 %s: gave\n%s: %s", rows[i].section, buf_str(&out), rows[i].reason);
	}
}

static void codings_are_compared_by_name_and_order(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool same;
		const char *reason;
	} rows[] = {
	    {"", "", true, "no coding"},
	    {"", "Content-Encoding: gzip\n", false, "one of them encoded"},
	    {"Content-Encoding: br\n", "Content-Encoding: gzip\n", false, "in another coding"},
	    {"Content-Encoding: GZIP\n", "Content-Encoding: x-gzip\n", true, "two names of one coding"},
	    {"Content-Encoding: identity\n", "", true, "identity is none"},
	    {"Content-Encoding: a, b\n", "Content-Encoding: a\nContent-Encoding: b\n", true, "lines are joined"},
	    {"Content-Encoding: a, b\n", "Content-Encoding: b, a\n", false, "the order counts"},
	    {"Content-Encoding: a, b\n", "Content-Encoding: a\n", false, "once more"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads(rows[i].a, 200, rows[i].b);
		if (content_coding_is_same(&request, &response) != rows[i].same ||
		    content_coding_is_same(&response, &request) != rows[i].same)
			fail_msg("%s and %s: %s", rows[i].a, rows[i].b, rows[i].reason);
	}
}

static void fields_that_directives_name_are_not_kept(void **state)
{
	(void)state;
	static const struct {
		const char *section, *response;
		bool private_cache;
		const char *kept, *reason;
	} rows[] = {
	    {"5.2.2.4", "Cache-Control: max-age=9, no-cache=\"a, B\"\nA: 1\nb: 2\nC: 3\n", false,
		"Cache-Control: max-age=9, no-cache=\"a, B\"\nC: 3\n", "no-cache, in any case"},
	    {"5.2.2.4", "Cache-Control: no-cache=a\nA: 1\nC: 3\n", true, "Cache-Control: no-cache=a\nC: 3\n",
		"a private cache as well"},
	    {"5.2.2.7", "A: 1\nCache-Control: private=\"A\"\nA: 2\n", false, "Cache-Control: private=\"A\"\n",
		"every line of the name"},
	    {"5.2.2.7", "A: 1\nCache-Control: private=\"A\"\n", true, "A: 1\nCache-Control: private=\"A\"\n",
		"private is not for a private cache"},
	    {"5.2.2.7", "A: 1\nCache-Control: private\nB: 2\n", false, "A: 1\nCache-Control: private\nB: 2\n",
		"without names it names none"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy policy = {rows[i].private_cache, NULL, 0};
		read_heads("", 200, rows[i].response);
		assert_int_equal(stored_fields_kept(&policy, NULL, &response, &out), 0);
		if (strcmp(buf_str(&out), rows[i].kept) != 0)
			fail_msg(
			    "%s: %s: kept %s: %s", rows[i].section, rows[i].response, buf_str(&out), rows[i].reason);
	}
}

static void a_head_freshens_what_it_agrees_with(void **state)
{
	(void)state;
	static const struct {
		const char *head, *stored;
		bool freshens;
		const char *reason;
	} rows[] = {
	    {"", "ETag: \"a\"\n", true, "it says nothing against it"},
	    {"ETag: \"a\"\nContent-Length: 5\n", "ETag: \"a\"\n", true, "all is the same"},
	    {"ETag: \"b\"\n", "ETag: \"a\"\n", false, "another tag"},
	    {"ETag: \"b\"\n", "", false, "a tag where there was none"},
	    {"Last-Modified: " AT_NOW "\n", "ETag: \"a\"\n", false, "a date where there was none"},
	    {"Content-Encoding: gzip\n", "", true, "only one says it"},
	    {"Last-Modified: " AT_NOW "\n", "Last-Modified: " HOUR_AGO "\n", false, "changed since"},
	    {"Content-Length: 6\n", "", false, "another length"},
	    {"Content-Length: 05\n", "", false, "doubt is a difference"},
	    {"Content-Encoding: gzip\n", "Content-Encoding: br\n", false, "other bytes"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads(rows[i].head, 200, rows[i].stored);
		if (freshening_head_applies(&request, &response, 5) != rows[i].freshens)
			fail_msg("4.3.5: %s / %s: %s", rows[i].head, rows[i].stored, rows[i].reason);
	}
}

static void a_304_with_another_validator_freshens_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *update, *stored;
		bool freshens;
		const char *reason;
	} rows[] = {
	    {"ETag: \"a\"\n", "ETag: \"a\"\n", true, "the same tag"},
	    {"ETag: W/\"a\"\n", "ETag: \"a\"\n", true, "the same, weakly"},
	    {"ETag: \"b\"\n", "ETag: \"a\"\n", false, "another tag"},
	    {"ETag: \"b\"\nLast-Modified: " AT_NOW "\n", "ETag: \"a\"\nLast-Modified: " AT_NOW "\n", false,
		"another tag, however equal the date"},
	    {"", "ETag: \"a\"\n", true, "none: it answers what was asked"},
	    {"Last-Modified: " AT_NOW "\n", "Last-Modified: " AT_NOW "\n", true, "the same date"},
	    {"Last-Modified: " AT_NOW "\n", "Last-Modified: " HOUR_AGO "\n", false, "another date"},
	    {"ETag: \"a\"\n", "Last-Modified: " HOUR_AGO "\n", false, "a tag of bytes we do not know"},
	    {"ETag: \"a\"\nLast-Modified: " HOUR_AGO "\n", "Last-Modified: " HOUR_AGO "\n", true,
		"a new tag, the same date"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		read_heads(rows[i].update, 200, rows[i].stored);
		if (freshening_applies(&request, &response) != rows[i].freshens)
			fail_msg("9111 4.3.4: %s/ %s: %s", rows[i].update, rows[i].stored, rows[i].reason);
	}
}

static void fields_beyond_the_ceiling_are_an_error(void **state)
{
	(void)state;
	struct buf small;
	buf_init(&small, 10);
	read_heads("B: 1\n", 200, "Name: a longer value\n");
	assert_int_equal(stored_fields_make(&response, NOW, &small), -1);
	assert_int_equal(stored_fields_update(&response, &request, true, &small), -1);
	buf_fini(&small);
}

static int start(void **state)
{
	(void)state;
	message_init(&request);
	message_init(&response);
	buf_init(&out, BUF_HEAD);
	return 0;
}

static int end(void **state)
{
	(void)state;
	message_fini(&request);
	message_fini(&response);
	buf_fini(&out);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_condition_is_judged_against_what_is_stored),
	    TEST(only_a_get_or_head_of_a_200_is_conditional),
	    TEST(a_range_is_taken_only_of_what_if_range_names),
	    TEST(fields_are_stored_end_to_end_and_in_order),
	    TEST(a_304_replaces_fields_of_the_same_name),
	    TEST(codings_are_compared_by_name_and_order),
	    TEST(fields_that_directives_name_are_not_kept),
	    TEST(a_head_freshens_what_it_agrees_with),
	    TEST(a_304_with_another_validator_freshens_nothing),
	    TEST(fields_beyond_the_ceiling_are_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
