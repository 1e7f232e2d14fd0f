/* Heads and framing (RFC 9112): what is taken, what is refused and with which status. */
#include "http/framing.h"
#include "http/message.h"
#include "http/status.h"
#include "http/upgrade_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct head head;
static struct fault fault;

static enum message_parsed parse(const char *text)
{
	fault.status = 0;
	fault.why = NULL;
	return message_parse_request(&head, span_of(text), &fault);
}

#define HOST "Host: example.com\r\n"

static void a_request_head_is_taken_apart(void **state)
{
	(void)state;
	static const char text[] = "GET /x?y HTTP/1.1\r\nHost: example.com\r\nA:  b c\t\r\nEmpty:\r\n"
				   "A: \xe9\r\n\r\nbody";
	assert_int_equal(parse(text), MESSAGE_WHOLE);
	assert_true(span_is(head.method, "GET"));
	assert_true(span_is(head.target, "/x?y"));
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.bytes, sizeof text - 1 - 4);
	assert_int_equal(head.count, 4);
	assert_true(span_is(message_find(&head, "a"), "b c"));
	assert_true(message_has(&head, "Empty"));
	assert_int_equal(message_find(&head, "Empty").len, 0);
	assert_false(message_has(&head, "B"));
}

static void well_formed_requests_are_taken(void **state)
{
	(void)state;
	static const struct {
		const char *section, *text;
		int minor;
		const char *reason;
	} rows[] = {
	    {"9112 2.2", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 1, "empty lines before"},
	    {"9112 3.2", "GET / HTTP/1.0\r\n\r\n", 0, "HTTP/1.0 needs no Host"},
	    {"9110 2.5", "GET / HTTP/1.9\r\n" HOST "\r\n", 1, "a higher minor version is 1.1"},
	    {"9112 3.2", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 1, "an empty Host is one"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a_b.c-d~e:\r\n\r\n", 1, "an empty port"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: [2001:DB8::1]:65535\r\n\r\n", 1, "an address with a port"},
	    {"3986 3.2.2", "GET / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n", 1, "an address of the future"},
	    {"3986 3.2.2", "GET / HTTP/1.1\r\nHost: b%C3%BCcher!$&'()*+;=\r\n\r\n", 1, "escapes and sub-delims"},
	    {"9112 3.2", "GET / HTTP/1.1\r\nhOST: [::1]:80\r\n\r\n", 1, "IPv6"},
	    {"9112 3.2.4", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 1, "asterisk form"},
	    {"9110 9.1", "fOO!1 / HTTP/1.1\r\n" HOST "\r\n", 1, "any token is a method"},
	    {"9110 5.5", "GET / HTTP/1.1\r\n" HOST "A: b\tc\r\n\r\n", 1, "a tab in a value"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum message_parsed parsed = parse(rows[i].text);
		if (parsed != MESSAGE_WHOLE || head.minor != rows[i].minor || head.bytes != strlen(rows[i].text))
			fail_msg("%s: %s: %d, %s", rows[i].section, rows[i].reason, parsed,
			    fault.why == NULL ? "no fault" : fault.why);
	}
}

static void what_two_readers_could_read_differently_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *section, *text;
		int status;
		const char *reason;
	} rows[] = {
	    {"9112 2.2", "GET / HTTP/1.1\n" HOST "\n", 400, "bare LF"},
	    {"9112 2.2", "GET / HTTP/1.1\r\nA: b\n\r\n", 400, "bare LF in the fields"},
	    {"9112 2.2", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400, "bare CR"},
	    {"9112 2.2", "\nGET / HTTP/1.1\r\n\r\n", 400, "bare LF before"},
	    {"9112 3", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400, "two spaces"},
	    {"9112 3", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, "a space in the target"},
	    {"9112 3", "GET /\tHTTP/1.1\r\n" HOST "\r\n", 400, "a tab for a space"},
	    {"9112 3", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400, "a space behind"},
	    {"9112 3", " GET / HTTP/1.1\r\n" HOST "\r\n", 400, "a space before"},
	    {"9112 3", "GET /\r\n\r\n", 400, "HTTP/0.9"},
	    {"9112 3", "GET\r\n\r\n", 400, "only a method"},
	    {"9112 3", "G(T / HTTP/1.1\r\n" HOST "\r\n", 400, "no token"},
	    {"9112 3.2", "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, "a control byte"},
	    {"9112 2.3", "GET / http/1.1\r\n" HOST "\r\n", 400, "the version has a case"},
	    {"9112 2.3", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, "two digits"},
	    {"9112 2.3", "GET / HTTP/1.:\r\n" HOST "\r\n", 400, "no digit"},
	    {"9112 2.3", "GET / HTTP/:.1\r\n" HOST "\r\n", 400, "nor here"},
	    {"9112 2.3", "GET / HTTP/11\r\n" HOST "\r\n", 400, "no dot"},
	    {"9110 15.6.6", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "another major version"},
	    {"9113 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "an HTTP/2 preface"},
	    {"9112 5.1", "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400, "a space before a colon"},
	    {"9112 5.1", "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400, "no name"},
	    {"9112 5", "GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n", 400, "no colon"},
	    {"9112 5.2", "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400, "a folded field"},
	    {"9112 2.2", "GET / HTTP/1.1\r\n " HOST "\r\n", 400, "white space before the first"},
	    {"9110 5.5", "GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n", 400, "a control byte"},
	    {"9110 5.5", "GET / HTTP/1.1\r\n" HOST "A: \x1f\r\n\r\n", 400, "another"},
	    {"9112 3.2", "GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
	    {"9112 3.2", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "two Hosts"},
	    {"9112 3.2", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400, "also in HTTP/1.0"},
	    {"9112 3.2", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "two hosts in one"},
	    {"9112 3.2", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "a path in the Host"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, "a port that is no number"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n", 400, "two ports"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, "a port too high"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", 400, "a negative port"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a:+1\r\n\r\n", 400, "a sign"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "an open bracket"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400, "rubbish after it"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: [::1]:x\r\n\r\n", 400, "no port after it"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400, "no address"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", 400, "a name in brackets"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400, "an address without brackets"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a]\r\n\r\n", 400, "a lone bracket"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a[1]\r\n\r\n", 400, "brackets in a name"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", 400, "no escape"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a\xff\r\n\r\n", 400, "a byte beyond ASCII"},
	    {"9110 7.2", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, "two Hosts joined"},
	    {"9110 7.2", "GET http://b/ HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, "also where the target names the host"},
	    {"9112 3.2", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "a user in the Host"},
	    {"9112 3", "\x16\x03\x01\x02\r\n", 400, "TLS on a plain port"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum message_parsed parsed = parse(rows[i].text);
		if (parsed != MESSAGE_BAD || fault.status != rows[i].status || fault.why == NULL)
			fail_msg("%s: %s: %d, status %d", rows[i].section, rows[i].reason, parsed, fault.status);
	}
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
	(void)state;
	static const char text[] = "GET /x HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
	for (size_t i = 0; i < sizeof text - 1; i++) {
		char copy[sizeof text];
		memcpy(copy, text, sizeof text);
		copy[i] = '\0';
		assert_int_not_equal(
		    message_parse_request(&head, span_make(copy, sizeof text - 1), &fault), MESSAGE_WHOLE);
	}
}

static void a_head_that_comes_byte_by_byte_is_whole_only_at_its_end(void **state)
{
	(void)state;
	static const char text[] = "\r\nGET /x HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\nrest";
	size_t end = sizeof text - 1 - 4;
	for (size_t n = 0; n < end; n++)
		assert_int_equal(message_parse_request(&head, span_make(text, n), &fault), MESSAGE_MORE);
	for (size_t n = end; n < sizeof text; n++) {
		assert_int_equal(message_parse_request(&head, span_make(text, n), &fault), MESSAGE_WHOLE);
		assert_int_equal(head.bytes, end);
		assert_int_equal(head.count, 2);
	}
}

static enum message_parsed parse_buf(struct buf *text)
{
	enum message_parsed parsed = message_parse_request(&head, buf_span(text), &fault);
	buf_clear(text);
	return parsed;
}

static void a_head_beyond_its_ceilings_is_refused(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, BUF_PAGE);
	for (int i = 0; i < MESSAGE_LINE_MAX + 1; i++)
		buf_adds(&text, "G");
	assert_int_equal(parse_buf(&text), MESSAGE_BAD);
	assert_int_equal(fault.status, 414);

	buf_adds(&text, "GET /");
	for (int i = 0; i < MESSAGE_LINE_MAX; i++)
		buf_adds(&text, "x");
	buf_adds(&text, " HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(parse_buf(&text), MESSAGE_BAD);
	assert_int_equal(fault.status, 414);

	buf_adds(&text, "GET / HTTP/1.1\r\n" HOST "A: ");
	for (int i = 0; i < MESSAGE_HEAD_MAX; i++)
		buf_adds(&text, "x");
	assert_int_equal(parse_buf(&text), MESSAGE_BAD);
	assert_int_equal(fault.status, 431);

	for (int extra = 0; extra < 2; extra++) {
		buf_adds(&text, "GET / HTTP/1.1\r\n" HOST);
		for (int i = 1; i < MESSAGE_FIELDS_MAX + extra; i++)
			buf_adds(&text, "A: b\r\n");
		buf_adds(&text, "\r\n");
		assert_int_equal(parse_buf(&text), extra ? MESSAGE_BAD : MESSAGE_WHOLE);
	}
	assert_int_equal(fault.status, 431);
	buf_fini(&text);
}

static void field_lines_are_read_leniently(void **state)
{
	(void)state;
	static const char text[] = "A: 1\nB :2\r\nno field\n c: folded\nbad name: 3\n: 4\nC:\nD: x\ry\n"
				   "E: \x01\n\nF: after the empty line\n";
	assert_int_equal(message_parse_fields(&head, span_of(text)), 0);
	assert_int_equal(head.count, 4);
	assert_true(span_is(message_find(&head, "A"), "1"));
	assert_true(span_is(message_find(&head, "B"), "2")); /* RFC 9112 5.1 */
	assert_true(message_has(&head, "C"));
	assert_false(message_has(&head, "D")); /* RFC 9110 5.5 */
	assert_true(message_has(&head, "E"));
	assert_int_equal(message_parse_fields(&head, span_of("Last: one")), 0);
	assert_int_equal(head.count, 1);
}

static void field_lines_are_limited_in_bytes_and_not_in_number(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, BUF_PAGE);
	while (text.len < MESSAGE_TEXT_MAX)
		buf_adds(&text, "A:b\n");
	assert_int_equal(message_parse_fields(&head, buf_span(&text)), 0);
	assert_int_equal(head.count, MESSAGE_TEXT_MAX / 4);
	buf_adds(&text, "A:b\n");
	assert_int_equal(message_parse_fields(&head, buf_span(&text)), -1);
	buf_fini(&text);
}

struct framed {
	const char *section, *fields;
	enum framing framing;
	int64_t length;
	int status; /* of the fault; 0: none */
	const char *reason;
};

static void a_request_body_is_framed_in_one_way_or_refused(void **state)
{
	(void)state;
	static const struct framed rows[] = {
	    {"9112 6.3", "", FRAMING_NO_BODY, 0, 0, "neither field"},
	    {"9112 6.3", "Content-Length: 0\r\n", FRAMING_LENGTH, 0, 0, "length 0"},
	    {"9112 6.3", "Content-Length: 42\r\n", FRAMING_LENGTH, 42, 0, "a length"},
	    {"9110 8.6", "Content-Length: 42, 42\r\n", FRAMING_LENGTH, 42, 0, "the same twice"},
	    {"9112 6.1", "Transfer-Encoding: Chunked\r\n", FRAMING_CHUNKED, 0, 0, "chunked"},
	    {"9112 6.1", "Transfer-Encoding: ,chunked\r\n", FRAMING_CHUNKED, 0, 0, "in a list"},
	    {"9112 6.3", "Content-Length: 1\r\nContent-Length: 2\r\n", 0, 0, 400, "two lengths"},
	    {"9112 6.3", "Content-Length: 1, 2\r\n", 0, 0, 400, "two lengths in one line"},
	    {"9112 6.3", "Content-Length: -1\r\n", 0, 0, 400, "a sign"},
	    {"9112 6.3", "Content-Length: +1\r\n", 0, 0, 400, "a plus"},
	    {"9112 6.3", "Content-Length: 1 2\r\n", 0, 0, 400, "a space"},
	    {"9112 6.3", "Content-Length: 0x1\r\n", 0, 0, 400, "hex"},
	    {"9112 6.3", "Content-Length:\r\n", 0, 0, 400, "empty"},
	    {"9112 6.3", "Content-Length: 9223372036854775808\r\n", 0, 0, 400, "2^63"},
	    {"9112 6.3", "Content-Length: 9223372036854775807\r\n", FRAMING_LENGTH, INT64_MAX, 0, "2^63 - 1"},
	    {"9112 6.1", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 0, 0, 400, "both"},
	    {"9112 6.1", "Transfer-Encoding: chunked, chunked\r\n", 0, 0, 400, "chunked twice"},
	    {"9112 6.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 0, 0, 400,
		"chunked twice in two lines"},
	    {"9112 6.1", "Transfer-Encoding: gzip, chunked\r\n", 0, 0, 501, "another coding"},
	    {"9112 6.1", "Transfer-Encoding: xchunked\r\n", 0, 0, 501, "nearly chunked"},
	    {"9112 6.1", "Transfer-Encoding: \"chunked\"\r\n", 0, 0, 501, "in quotes"},
	    {"9112 7.1", "Transfer-Encoding: chunked;a=b\r\n", 0, 0, 501, "with parameters"},
	    {"9112 6.1", "Transfer-Encoding: identity\r\n", 0, 0, 501, "identity is gone"},
	    {"9112 6.1", "Transfer-Encoding:\r\n", 0, 0, 501, "empty"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[256];
		enum framing framing = FRAMING_NO_BODY;
		int64_t length = 0;
		snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "%s\r\n", rows[i].fields);
		assert_int_equal(parse(text), MESSAGE_WHOLE);
		int result = framing_of_request(&head, &framing, &length, &fault);
		bool right = rows[i].status != 0
				 ? result == -1 && fault.status == rows[i].status
				 : result == 0 && framing == rows[i].framing && length == rows[i].length;
		if (!right)
			fail_msg("%s: %s: result %d, framing %d, length %lld, status %d", rows[i].section,
			    rows[i].reason, result, framing, (long long)length, fault.status);
	}
	enum framing framing;
	int64_t length;
	assert_int_equal(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), MESSAGE_WHOLE);
	assert_int_equal(framing_of_request(&head, &framing, &length, &fault), -1);
	assert_int_equal(fault.status, 400); /* RFC 9112 6.1 */
}

static void a_response_body_is_framed_by_method_and_status_first(void **state)
{
	(void)state;
	static const struct {
		const char *section, *method;
		int status;
		const char *fields;
		enum framing framing;
		int64_t length;
		int fault;
		const char *reason;
	} rows[] = {
	    {"9112 6.3", "GET", 200, "Content-Length: 5\n", FRAMING_LENGTH, 5, 0, "a length"},
	    {"9112 6.3", "GET", 200, "", FRAMING_UNTIL_CLOSE, 0, 0, "neither"},
	    {"9112 6.3", "HEAD", 200, "Content-Length: 5\n", FRAMING_NO_BODY, 0, 0, "HEAD"},
	    {"9112 6.3", "GET", 204, "Content-Length: 5\n", FRAMING_NO_BODY, 0, 0, "204"},
	    {"9112 6.3", "GET", 304, "Transfer-Encoding: chunked\n", FRAMING_NO_BODY, 0, 0, "304"},
	    {"9112 6.3", "GET", 103, "", FRAMING_NO_BODY, 0, 0, "1xx"},
	    {"9112 6.3", "CONNECT", 200, "", FRAMING_NO_BODY, 0, 0, "a tunnel"},
	    {"9112 6.3", "CONNECT", 403, "Content-Length: 5\n", FRAMING_LENGTH, 5, 0, "no tunnel"},
	    {"9112 6.3", "GET", 200, "Content-Length: 5\nTransfer-Encoding: chunked\n", FRAMING_CHUNKED, 0, 0,
		"chunked overrides a length"},
	    {"9112 6.3", "GET", 200, "Content-Length: 5\nContent-Length: 5\n", FRAMING_LENGTH, 5, 0,
		"identical lengths are one"},
	    {"9112 6.3", "GET", 200, "Content-Length: 5\nContent-Length: 6\n", 0, 0, 502, "differing"},
	    {"9112 7.2", "GET", 200, "Transfer-Encoding: gzip, chunked\n", 0, 0, 502, "compressed"},
	    {"9112 7.2", "GET", 200, "Transfer-Encoding: gzip;level=9\n", 0, 0, 502, "and says how"},
	    {"9112 6.1", "GET", 200, "Transfer-Encoding: chunked, gzip\n", 0, 0, 502, "chunked before"},
	    {"9112 7.1", "GET", 200, "Transfer-Encoding: chunked;a=b\n", 0, 0, 502, "chunked has no parameters"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: \"chunked\"\n", 0, 0, 502, "in quotes"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: \vchunked\n", 0, 0, 502, "behind a control byte"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: x chunked\n", 0, 0, 502, "two words without a comma"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: ;a=b\n", 0, 0, 502, "parameters of nothing"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: x;a=\"b\", Chunked\n", 0, 0, 502, "unknown, with parameters"},
	    {"9112 6.1", "GET", 200, "Transfer-Encoding: chunked, x\n", 0, 0, 502, "not last"},
	    {"9112 6.1", "GET", 200, "Transfer-Encoding: x, chunked, chunked\n", 0, 0, 502, "twice"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: x\n", 0, 0, 502, "unknown"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: x\nContent-Length: 5\n", 0, 0, 502, "unknown, next to a length"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: x, chunked\n", 0, 0, 502, "unknown, then chunked"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: identity, x\n", 0, 0, 502, "unknown, after identity"},
	    {"9112 7", "GET", 200, "Transfer-Encoding: \n", 0, 0, 502, "empty"},
	    {"9112 6.3", "HEAD", 200, "Transfer-Encoding: x\n", FRAMING_NO_BODY, 0, 0, "HEAD has no body to decode"},
	    {"9112 6.3", "GET", 304, "Transfer-Encoding: x\n", FRAMING_NO_BODY, 0, 0, "nor has 304"},
	    {"7230 A.2", "GET", 200, "Transfer-Encoding: identity\nContent-Length: 5\n", FRAMING_LENGTH, 5, 0,
		"identity once was a coding"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct head response;
		enum framing framing = FRAMING_NO_BODY;
		int64_t length = 0;
		message_init(&response);
		assert_int_equal(message_parse_fields(&response, span_of(rows[i].fields)), 0);
		response.status = rows[i].status;
		int result = framing_of_response(&response, span_of(rows[i].method), &framing, &length, &fault);
		bool right = rows[i].fault != 0 ? result == -1 && fault.status == rows[i].fault
						: result == 0 && framing == rows[i].framing && length == rows[i].length;
		message_fini(&response);
		if (!right)
			fail_msg("%s: %s: result %d, framing %d", rows[i].section, rows[i].reason, result, framing);
	}
}

static void hop_by_hop_fields_are_those_of_the_rfc_and_those_connection_names(void **state)
{
	(void)state;
	static const char text[] = "Connection: X-Hop, close\nX-Hop: 1\nX-End: 2\nKeep-Alive: 3\n"
				   "TE: trailers\nTrailer: a\nTransfer-Encoding: chunked\nUpgrade: h2c\n"
				   "Proxy-Connection: a\nProxy-Authenticate: b\nProxy-Authorization: c\n"
				   "Proxy-Authentication-Info: d\nWWW-Authenticate: e\n";
	assert_int_equal(message_parse_fields(&head, span_of(text)), 0);
	char kept[128] = "";
	for (size_t i = 0; i < head.count; i++)
		if (message_is_end_to_end(&head.fields[i]))
			snprintf(kept + strlen(kept), sizeof kept - strlen(kept), "%.*s ", (int)head.fields[i].name.len,
			    head.fields[i].name.at);
	assert_string_equal(kept, "X-End WWW-Authenticate ");
}

static void lines_of_one_name_are_found_in_their_order_among_few_and_many(void **state)
{
	(void)state;
	for (int others = 0; others < 200; others += 199) {
		struct buf text;
		buf_init(&text, BUF_PAGE);
		for (int i = 0; i < 5; i++) {
			buf_addf(&text, "%s: %d\n", i % 2 ? "NAME" : "name", i);
			for (int k = 0; k < others; k++)
				buf_addf(&text, "x%d: y\nnam%c: z\n", k, 'a' + k % 4);
		}
		assert_int_equal(message_parse_fields(&head, buf_span(&text)), 0);
		const struct field *f = NULL;
		for (int i = 0; i < 5; i++) {
			f = message_next(&head, span_of("Name"), f);
			assert_true(f != NULL && f->value.at[0] == '0' + i);
		}
		assert_null(message_next(&head, span_of("Name"), f));
		assert_null(message_next(&head, span_of("Names"), NULL));
		buf_fini(&text);
	}
}

static void what_connection_names_is_marked_among_many_fields(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, BUF_PAGE);
	buf_adds(&text, "Connection: x7, X7, close\n");
	for (int i = 0; i < 300; i++)
		buf_addf(&text, "X%d: a\nx7: b\n", i);
	buf_adds(&text, "Connection: X9;a=b\n");
	assert_int_equal(message_parse_fields(&head, buf_span(&text)), 0);
	size_t ended = 0;
	for (size_t i = 0; i < head.count; i++)
		ended += message_is_end_to_end(&head.fields[i]) ? 0 : 1;
	assert_int_equal(ended, 2 + 301 + 1);
	/* The next head is read anew. */
	assert_int_equal(message_parse_fields(&head, span_of("X7: a\n")), 0);
	assert_true(message_is_end_to_end(&head.fields[0]));
	buf_fini(&text);
}

static void a_list_has_a_token_whatever_its_case_and_parameters(void **state)
{
	(void)state;
	static const char text[] = "A: gzip;q=0.5, \"br, zstd\"\nA: Deflate\n";
	assert_int_equal(message_parse_fields(&head, span_of(text)), 0);
	assert_true(message_lists(&head, "a", "GZIP"));
	assert_true(message_lists(&head, "a", "deflate"));
	assert_false(message_lists(&head, "a", "zstd"));
	assert_false(message_lists(&head, "a", "gz"));
	assert_false(message_lists(&head, "b", "gzip"));
}

static void the_version_and_connection_decide_what_stays_open(void **state)
{
	(void)state;
	static const struct {
		const char *section, *text;
		bool alive;
		const char *reason;
	} rows[] = {
	    {"9112 9.3", "GET / HTTP/1.1\r\n" HOST "\r\n", true, "HTTP/1.1 stays open"},
	    {"9112 9.3", "GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n", false, "close"},
	    {"9112 9.3", "GET / HTTP/1.1\r\n" HOST "Connection: a\r\nConnection: b,close\r\n\r\n", false,
		"close in a later line"},
	    {"9112 9.3", "GET / HTTP/1.0\r\n\r\n", false, "HTTP/1.0 does not"},
	    {"9112 9.3", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, "unless asked"},
	    {"9112 9.3", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, "close wins"},
	    {"9112 C.2.2", "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false,
		"never for a client of a proxy"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(parse(rows[i].text), MESSAGE_WHOLE);
		if (message_keeps_alive(&head) != rows[i].alive)
			fail_msg("%s: %s", rows[i].section, rows[i].reason);
	}
}

static void known_statuses_have_a_reason_phrase(void **state)
{
	(void)state;
	assert_string_equal(status_reason(200), "OK");
	assert_string_equal(status_reason(508), "Loop Detected");
	assert_string_equal(status_reason(299), "");
	assert_string_equal(status_reason(-1), "");
}

static int start(void **state)
{
	(void)state;
	message_init(&head);
	return 0;
}

static int end(void **state)
{
	(void)state;
	message_fini(&head);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

static void a_response_head_is_read_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum message_parsed parsed;
		int status, minor;
		size_t bytes;
	} table[] = {
	    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nxyz", MESSAGE_WHOLE, 101, 1, 56},
	    {"HTTP/1.0 200\nA: b\n\n", MESSAGE_WHOLE, 200, 0, 19},
	    {"HTTP/1.1 200 OK\r\n\r\n", MESSAGE_WHOLE, 200, 1, 19},
	    {"HTTP/1.1 200 OK\r\nA: b\r\n", MESSAGE_MORE, 200, 1, 0},
	    {"HTTP/1.1 200 OK", MESSAGE_MORE, 0, 0, 0},
	    {"HTTP/2 200 OK\r\n\r\n", MESSAGE_BAD, 0, 0, 0},
	    {"HTTP/1.1 20 OK\r\n\r\n", MESSAGE_BAD, 0, 0, 0},
	    {"HTTP/1.1 2000 OK\r\n\r\n", MESSAGE_BAD, 0, 0, 0},
	    {"HTTP/1.1 099 OK\r\n\r\n", MESSAGE_BAD, 0, 0, 0},
	    {"ICY 200 OK\r\n\r\n", MESSAGE_BAD, 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		enum message_parsed parsed = message_parse_response(&head, span_of(table[i].text), &fault);
		if (parsed != table[i].parsed ||
		    (parsed == MESSAGE_WHOLE && (head.status != table[i].status || head.minor != table[i].minor ||
						    head.bytes != table[i].bytes)))
			fail_msg("%s: %d, %d, %zu", table[i].text, (int)parsed, head.status, head.bytes);
	}
}

static void an_endless_response_head_is_refused(void **state)
{
	(void)state;
	char *text = malloc(MESSAGE_HEAD_MAX + 2);
	assert_non_null(text);
	memset(text, 'x', MESSAGE_HEAD_MAX + 1);
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	text[MESSAGE_HEAD_MAX + 1] = '\0';
	assert_int_equal(message_parse_response(&head, span_of(text), &fault), MESSAGE_BAD);
	assert_int_equal(fault.status, 502);
	free(text);
}

static void only_a_protocol_that_was_offered_may_be_switched_to(void **state)
{
	(void)state;
	static const struct {
		const char *offered, *fields;
		bool good;
	} table[] = {
	    {"websocket", "Upgrade: websocket\n", true},
	    {"websocket", "Upgrade: WebSocket\n", true},
	    {"tcp, websocket", "Upgrade: websocket\n", true},
	    {"websocket", "Upgrade: h2c\n", false},
	    {"websocket", "Upgrade: websocket, h2c\n", false},
	    {"websocket", "Upgrade: websocket\nUpgrade: h2c\n", false},
	    {"websocket", "Upgrade: websocket/13\n", false},
	    {"websocket", "Upgrade:\n", false},
	    {"websocket", "A: b\n", false},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		assert_int_equal(message_parse_fields(&head, span_of(table[i].fields)), 0);
		if (upgrade_token_was_offered(span_of(table[i].offered), &head) != table[i].good)
			fail_msg("%s: %s", table[i].offered, table[i].fields);
	}
}

static void http_and_tls_are_never_switched_to(void **state)
{
	(void)state;
	static const char *const never[] = {
	    "h2c", "H2C", "h2", "h2c-14", "HTTP/2.0", "http/1.1", "HTTP", "TLS/1.0", "tls"};
	static const char *const others[] = {"websocket", "tcp", "SPDY/3.1", "HTTPX", "IRC/6.9"};
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (!upgrade_token_is_forbidden(span_of(never[i])))
			fail_msg("%s", never[i]);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (upgrade_token_is_forbidden(span_of(others[i])) || !upgrade_token_is_valid(span_of(others[i])))
			fail_msg("%s", others[i]);
	assert_false(upgrade_token_is_valid(span_of("")));
	assert_false(upgrade_token_is_valid(span_of("a b")));
	assert_false(upgrade_token_is_valid(span_of("a/")));
	assert_false(upgrade_token_is_valid(span_of("a/b/c")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_request_head_is_taken_apart),
	    TEST(well_formed_requests_are_taken),
	    TEST(what_two_readers_could_read_differently_is_refused),
	    TEST(a_nul_is_refused_wherever_it_stands),
	    TEST(a_head_that_comes_byte_by_byte_is_whole_only_at_its_end),
	    TEST(a_head_beyond_its_ceilings_is_refused),
	    TEST(field_lines_are_read_leniently),
	    TEST(field_lines_are_limited_in_bytes_and_not_in_number),
	    TEST(a_request_body_is_framed_in_one_way_or_refused),
	    TEST(a_response_body_is_framed_by_method_and_status_first),
	    TEST(hop_by_hop_fields_are_those_of_the_rfc_and_those_connection_names),
	    TEST(lines_of_one_name_are_found_in_their_order_among_few_and_many),
	    TEST(what_connection_names_is_marked_among_many_fields),
	    TEST(a_list_has_a_token_whatever_its_case_and_parameters),
	    TEST(the_version_and_connection_decide_what_stays_open),
	    TEST(known_statuses_have_a_reason_phrase),
	    TEST(a_response_head_is_read_or_refused),
	    TEST(an_endless_response_head_is_refused),
	    TEST(only_a_protocol_that_was_offered_may_be_switched_to),
	    TEST(http_and_tls_are_never_switched_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
