/* Headers of the PROXY protocol: what they say, and what is malformed. */
#include "net/proxy_header.h"

#include "base/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define V2 "\r\n\r\n\0\r\nQUIT\n"
/* Version 2 with the command PROXY: family, length, source, target, ports. */
#define V4                                                                                                             \
	"\xc0\x00\x02\x07"                                                                                             \
	"\x7f\x00\x00\x01"                                                                                             \
	"\x12\x34"                                                                                                     \
	"\x00\x50"
#define V6                                                                                                             \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                                   \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                                   \
	"\x12\x34"                                                                                                     \
	"\x00\x50"
#define UNIX_54 "/run/x.sock\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define UNIX UNIX_54 UNIX_54 UNIX_54 UNIX_54

static const struct row {
	const char *bytes;
	size_t len;
	const char *want; /* the client, "front", "unknown", "more", "other", or a part of the fault */
} rows[] = {
#define ROW(text, want)                                                                                                \
	{                                                                                                              \
		text, sizeof text - 1, want                                                                            \
	}
    /* version 1 */
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\nGET /", "192.0.2.7"),
    ROW("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 0 0\r\n", "192.0.2.7"),
    ROW("PROXY TCP6 2001:db8::7 2001:db8::1 4660 80\r\n", "2001:db8::7"),
    ROW("PROXY TCP6 ::ffff:192.0.2.7 ::1 4660 80\r\n", "192.0.2.7"),
    ROW("PROXY UNKNOWN\r\n", "unknown"),
    ROW("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "unknown"),
    ROW("", "more"),
    ROW("P", "more"),
    ROW("PROXY", "more"),
    ROW("PROXY ", "more"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80", "more"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r", "more"),
    ROW("GET / HTTP/1.1\r\n", "other"),
    ROW("PROXI", "other"),
    ROW("proxy TCP4 192.0.2.7 127.0.0.1 4660 80\r\n", "other"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\n", "CR and LF"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\rG", "CR and LF"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\r\n", "CR and LF"),
    ROW("PROXY TCP5 192.0.2.7 127.0.0.1 4660 80\r\n", "protocol"),
    ROW("PROXY UNKNOWNS\r\n", "protocol"),
    ROW("PROXY \r\n", "protocol"),
    ROW("PROXY  TCP4 192.0.2.7 127.0.0.1 4660 80\r\n", "protocol"),
    ROW("PROXY TCP4\r\n", "two addresses"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660\r\n", "two addresses"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80 90\r\n", "two addresses"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 80 \r\n", "two addresses"),
    ROW("PROXY TCP4 192.0.2.7  127.0.0.1 4660 80\r\n", "two addresses"),
    ROW("PROXY TCP4 192.0.2.07 127.0.0.1 4660 80\r\n", "address"),
    ROW("PROXY TCP4 2001:db8::7 2001:db8::1 4660 80\r\n", "address"),
    ROW("PROXY TCP6 192.0.2.7 127.0.0.1 4660 80\r\n", "address"),
    ROW("PROXY TCP4 host 127.0.0.1 4660 80\r\n", "address"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 65536 80\r\n", "port"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 4660 080\r\n", "port"),
    ROW("PROXY TCP4 192.0.2.7 127.0.0.1 +660 80\r\n", "port"),
    ROW("PROXY UNKNOWN 123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\r\n",
	"unknown"),
    ROW("PROXY UNKNOWN 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
	"567890\r\n",
	"107"),
    /* version 2 */
    ROW(V2 "\x21\x11\x00\x0c" V4 "GET", "192.0.2.7"),
    ROW(V2 "\x21\x21\x00\x24" V6, "2001:db8::7"),
    ROW(V2 "\x21\x31\x00\xd8" UNIX, "unknown"),
    ROW(V2 "\x21\x00\x00\x00", "unknown"),
    ROW(V2 "\x21\x00\x00\x03"
	   "abc",
	"unknown"),
    ROW(V2 "\x20\x00\x00\x00", "front"),
    ROW(V2 "\x20\x11\x00\x0c" V4, "front"),
    ROW(V2 "\x20\x99\x00\x02"
	   "ab",
	"front"),
    ROW(V2 "\x21\x11\x00\x10" V4 "\x04\x00\x01\x00", "192.0.2.7"),
    ROW(V2 "\x21\x11\x00\x16" V4 "\x01\x00\x02h2"
	   "\x05\x00\x02id",
	"192.0.2.7"),
    ROW(V2 "\x21\x11\x00\x0f" V4 "\x04\x00\x00", "192.0.2.7"),
    ROW("\r\n\r\n", "more"),
    ROW(V2, "more"),
    ROW(V2 "\x21\x11\x00", "more"),
    ROW(V2 "\x21\x11\x00\x0c"
	   "\xc0\x00\x02",
	"more"),
    ROW("\r\n\r\nGET", "other"),
    ROW(V2 "\x11\x11\x00\x0c" V4, "version"),
    ROW(V2 "\x31\x11\x00\x0c" V4, "version"),
    ROW(V2 "\x22\x11\x00\x0c" V4, "command"),
    ROW(V2 "\x21\x12\x00\x0c" V4, "stream"),
    ROW(V2 "\x21\x10\x00\x0c" V4, "stream"),
    ROW(V2 "\x21\x41\x00\x0c" V4, "stream"),
    ROW(V2 "\x21\x11\x00\x0b" V4, "too short"),
    ROW(V2 "\x21\x11\x00\x00", "too short"),
    ROW(V2 "\x21\x21\x00\x0c" V4, "too short"),
    ROW(V2 "\x21\x31\x00\x0c" V4, "too short"),
    ROW(V2 "\x21\x11\xff\xff", "16 KiB"),
    ROW(V2 "\x21\x11\x00\x0e" V4 "\x04\x00", "extensions"),
    ROW(V2 "\x21\x11\x00\x0f" V4 "\x04\x00\x01", "extensions"),
#undef ROW
};

static void each_header_says_whose_connection_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		struct proxy_header h;
		char got[INET6_ADDRSTRLEN + 64] = "";
		switch (proxy_header_parse(span_make(row->bytes, row->len), &h)) {
		case PROXY_HEADER_MORE:
			strcpy(got, "more");
			break;
		case PROXY_HEADER_OTHER:
			strcpy(got, "other");
			break;
		case PROXY_HEADER_BAD:
			snprintf(got, sizeof got, "%s", h.fault);
			break;
		case PROXY_HEADER_WHOLE:
			if (h.sender == PROXY_HEADER_CLIENT)
				cidr_print(&h.client, got);
			else
				strcpy(got, h.sender == PROXY_HEADER_FRONT ? "front" : "unknown");
			break;
		}
		if (strstr(got, row->want) == NULL)
			fail_msg("row %zu, %s: %s, not %s", i, row->bytes, got, row->want);
	}
}

static void every_beginning_of_a_header_waits_for_the_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct proxy_header h, part;
		if (proxy_header_parse(span_make(rows[i].bytes, rows[i].len), &h) != PROXY_HEADER_WHOLE)
			continue;
		for (size_t n = 0; n < h.bytes; n++)
			if (proxy_header_parse(span_make(rows[i].bytes, n), &part) != PROXY_HEADER_MORE)
				fail_msg("row %zu, its first %zu bytes", i, n);
		assert_int_equal(proxy_header_parse(span_make(rows[i].bytes, h.bytes), &part), PROXY_HEADER_WHOLE);
		assert_true(proxy_header_begins(span_make(rows[i].bytes, rows[i].len)));
	}
}

static void a_request_is_no_header(void **state)
{
	(void)state;
	assert_false(proxy_header_begins(span_of("GET / HTTP/1.1\r\n")));
	assert_false(proxy_header_begins(span_of("PROXY")));
	assert_false(proxy_header_begins(span_of("\r\n\r\nGET / HTTP/1.1\r\n")));
	assert_false(proxy_header_begins(span_make(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_header_says_whose_connection_it_is),
	    cmocka_unit_test(every_beginning_of_a_header_waits_for_the_rest),
	    cmocka_unit_test(a_request_is_no_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
