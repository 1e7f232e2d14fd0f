/* The quick look takes only what the parser takes, and nothing that asks for thought. */
#include "http/message.h"
#include "http/request_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOST "Host: localhost\r\n"

static const struct {
	const char *section, *text;
	bool plain;
	const char *reason;
} rows[] = {
    {"9112 3", "GET /a HTTP/1.1\r\n" HOST "\r\n", true, "the plain case"},
    {"9110 9.3.2", "HEAD /a HTTP/1.1\r\n" HOST "\r\n", true, "HEAD"},
    {"9112 3.2.2", "GET http://a/b?c HTTP/1.1\r\n" HOST "\r\n", true, "absolute form"},
    {"9112 9.3", "GET /a HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n", true, "keep-alive is the default"},
    {"9110 5", "GET /a HTTP/1.1\r\n" HOST "Accept: */*\r\nCookie: a=b\r\nX:\r\n\r\n", true,
	"fields that do not matter"},
    {"9110 5.5", "GET /a HTTP/1.1\r\nHost:localhost\r\n\r\n", true, "no space after the colon"},
    {"9112 9.3", "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", true, "the last request"},
    {"9112 9.3", "GET /a HTTP/1.1\r\n" HOST "connection:Keep-Alive , CLOSE\r\n\r\n", true, "close counts"},
    {"9112 9.3", "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\nConnection: keep-alive\r\n\r\n", true, "two lines"},
    {"9112 9.3", "GET /a HTTP/1.0\r\n" HOST "\r\n", true, "HTTP/1.0 ends"},
    {"9112 9.3", "GET /a HTTP/1.0\r\n\r\n", true, "HTTP/1.0 needs no Host"},
    {"9112 9.3", "GET /a HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", true, "HTTP/1.0 persists if it asks"},
    {"9112 9.3", "GET /a HTTP/1.0\r\n" HOST "Connection: keep-alive, close\r\n\r\n", true, "HTTP/1.0 with both"},
    {"9112 C.2.2", "GET http://a/ HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", true, "a proxy's client ends"},
    {"9110 7.6.1", "GET /a HTTP/1.1\r\n" HOST "Connection: close, X\r\nX: a\r\n\r\n", false, "a field is named"},
    {"9110 5.6.1", "GET /a HTTP/1.1\r\n" HOST "Connection: close,\r\n\r\n", true, "an empty member at the end"},
    {"9110 5.6.1", "GET /a HTTP/1.1\r\n" HOST "Connection: ,close\r\n\r\n", false, "an empty member first"},
    {"9110 7.8", "GET /a HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n\r\n", false, "an upgrade"},
    {"9112 3", "GET /a HTTP/1.2\r\n" HOST "\r\n", false, "another version"},
    {"9112 3", "GET /a HTTP/2.0\r\n" HOST "\r\n", false, "another version"},
    {"9112 3.2", "GET /a HTTP/1.0\r\n" HOST HOST "\r\n", false, "two Hosts in HTTP/1.0"},
    {"9110 9", "POST /a HTTP/1.1\r\n" HOST "\r\n", false, "another method"},
    {"9112 3", "get /a HTTP/1.1\r\n" HOST "\r\n", false, "methods have case"},
    {"9112 3.2", "GET /a HTTP/1.1\r\n\r\n", false, "no Host"},
    {"9112 3.2", "GET /a HTTP/1.1\r\n" HOST HOST "\r\n", false, "two Hosts"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a-b.C1:8080\r\n\r\n", true, "a name and a port"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", true, "an address"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a:65535\r\n\r\n", true, "the largest port"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a:\r\n\r\n", true, "an empty port"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", true, "an empty name"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a:65536\r\n\r\n", false, "no port"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a:8x\r\n\r\n", false, "no port"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", false, "a blank in the name"},
    {"9110 7.2", "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", false, "a slash in the name"},
    {"9110 13", "GET /a HTTP/1.1\r\n" HOST "if-none-match: *\r\n\r\n", false, "a condition"},
    {"9110 13", "GET /a HTTP/1.1\r\n" HOST "If-Modified-Since: x\r\n\r\n", false, "a condition"},
    {"9110 13", "GET /a HTTP/1.1\r\n" HOST "If-Match: x\r\n\r\n", false, "a condition"},
    {"9110 13", "GET /a HTTP/1.1\r\n" HOST "If-Unmodified-Since: x\r\n\r\n", false, "a condition"},
    {"9110 14", "GET /a HTTP/1.1\r\n" HOST "Range: bytes=0-1\r\n\r\n", false, "a range"},
    {"9111 5.2", "GET /a HTTP/1.1\r\n" HOST "Cache-Control: no-cache\r\n\r\n", false, "a directive"},
    {"9111 5.4", "GET /a HTTP/1.1\r\n" HOST "Pragma: no-cache\r\n\r\n", false, "an old directive"},
    {"9112 6", "GET /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", false, "a body, maybe"},
    {"9112 6", "GET /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", false, "a body"},
    {"9110 10.1.1", "GET /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", false, "an expectation"},
    {"9112 5.1", "GET /a HTTP/1.1\r\n" HOST "Bad : x\r\n\r\n", false, "a space before the colon"},
    {"9112 5.2", "GET /a HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", false, "obs-fold"},
    {"9112 2.2",
	"GET /a HTTP/1.1\n"
	"Host: localhost\n\n",
	false, "bare LF"},
    {"9110 5.5", "GET /a HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", false, "bare CR"},
    {"9110 5.5", "GET /a HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", false, "a control byte"},
    {"9112 3", "GET  /a HTTP/1.1\r\n" HOST "\r\n", false, "two spaces"},
    {"9112 3", "GET /a\x7f HTTP/1.1\r\n" HOST "\r\n", false, "a control byte in the target"},
    {"9112 2.1", "GET /a HTTP/1.1\r\n" HOST, false, "no end yet"},
    {"9112 2.1", "GET /a HTTP/1.1\r\n" HOST "X", false, "no end yet"},
    {"9112 2.2", "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", false, "an empty line first is the parser's business"},
};

static void only_plain_requests_pass_at_a_glance(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request_scan g;
		bool plain = request_scan(span_of(rows[i].text), &g) == REQUEST_SCAN_PLAIN;
		if (plain != rows[i].plain)
			fail_msg("%s: %s", rows[i].section, rows[i].reason);
	}
}

/* By prefix, what a page may ask depends on these fields (Fetch Metadata, RFC 6454 7). */
static void a_browser_is_known_by_its_fields(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		bool browser;
	} lines[] = {{"Origin: http://a\r\n", true}, {"origin: null\r\n", true}, {"Sec-Fetch-Site: none\r\n", true},
	    {"sec-fetch-mode: navigate\r\n", true}, {"Sec-CH-UA: x\r\n", false}, {"Original: x\r\n", false},
	    {"X-Origin: x\r\n", false}};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		char text[128];
		struct request_scan g;
		snprintf(text, sizeof text, "GET /a HTTP/1.1\r\n" HOST "%s\r\n", lines[i].line);
		assert_int_equal(request_scan(span_of(text), &g), REQUEST_SCAN_PLAIN);
		if (g.browser != lines[i].browser)
			fail_msg("%s", lines[i].line);
	}
}

static void what_passes_is_what_the_parser_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request_scan g;
		struct head h;
		struct fault fault;
		if (request_scan(span_of(rows[i].text), &g) != REQUEST_SCAN_PLAIN)
			continue;
		message_init(&h);
		assert_int_equal(message_parse_request(&h, span_of(rows[i].text), &fault), MESSAGE_WHOLE);
		assert_true(span_same(h.target, g.target));
		assert_int_equal(h.bytes, g.bytes);
		assert_true(span_same(message_find(&h, "Host"), g.host));
		assert_int_equal(span_is(h.method, "HEAD"), g.head);
		assert_int_equal(h.minor, g.minor);
		if (message_keeps_alive(&h) != g.keeps)
			fail_msg("%s: %s", rows[i].section, rows[i].reason);
		message_fini(&h);
	}
}

/* The parser refuses longer ones (414, 431). */
static void a_head_that_is_too_long_is_not_plain(void **state)
{
	(void)state;
	struct {
		size_t target, field;
		bool plain;
	} cases[] = {{100, 100, true}, {100, MESSAGE_HEAD_MAX - 1000, true}, {100, MESSAGE_HEAD_MAX, false},
	    {MESSAGE_LINE_MAX - 100, 100, true}, {MESSAGE_LINE_MAX, 100, false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct request_scan scan;
		struct head head;
		struct fault fault;
		struct buf text;
		buf_init(&text, BUF_HEAD);
		buf_adds(&text, "GET /");
		for (size_t n = 0; n < cases[i].target; n++)
			buf_addc(&text, 'x');
		buf_adds(&text, " HTTP/1.1\r\nHost: localhost\r\nX: ");
		for (size_t n = 0; n < cases[i].field; n++)
			buf_addc(&text, 'y');
		buf_adds(&text, "\r\n\r\n");
		message_init(&head);
		assert_int_equal(request_scan(buf_span(&text), &scan) == REQUEST_SCAN_PLAIN, cases[i].plain);
		assert_int_equal(
		    message_parse_request(&head, buf_span(&text), &fault) == MESSAGE_WHOLE, cases[i].plain);
		message_fini(&head);
		buf_fini(&text);
	}
}

static void what_follows_the_head_is_left_alone(void **state)
{
	(void)state;
	static const char text[] = "GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n";
	struct request_scan g;
	assert_int_equal(request_scan(span_of(text), &g), REQUEST_SCAN_PLAIN);
	assert_memory_equal(text + g.bytes, "GET /b", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_plain_requests_pass_at_a_glance),
	    cmocka_unit_test(a_browser_is_known_by_its_fields),
	    cmocka_unit_test(what_passes_is_what_the_parser_reads),
	    cmocka_unit_test(a_head_that_is_too_long_is_not_plain),
	    cmocka_unit_test(what_follows_the_head_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
