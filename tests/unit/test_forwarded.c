/* Who the client is, as Forwarded and X-Forwarded-For tell, when some of the proxies are trusted. */
#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void the_client_is_the_rightmost_address_that_is_no_trusted_proxy(void **state)
{
	(void)state;
	static const struct {
		const char *fields, *want, *reason;
	} rows[] = {
	    {"X-Forwarded-For: 192.0.2.1\n", "192.0.2.1", "the only one"},
	    {"x-forwarded-for: 192.0.2.1\n", "192.0.2.1", "in lower case"},
	    {"X-Forwarded-For: 203.0.113.9, 192.0.2.1\n", "192.0.2.1", "the left one may be forged"},
	    {"X-Forwarded-For: 192.0.2.1, 10.0.0.2\n", "192.0.2.1", "past a trusted proxy"},
	    {"X-Forwarded-For: 192.0.2.1, 10.0.0.2, 10.0.0.3\n", "192.0.2.1", "past two"},
	    {"X-Forwarded-For: 10.0.0.9, 10.0.0.2\n", "10.0.0.9", "all are trusted: the first one asked"},
	    {"X-Forwarded-For: 192.0.2.1\nX-Forwarded-For: 10.0.0.2\n", "192.0.2.1", "in two lines"},
	    {"X-Forwarded-For: 192.0.2.1\nX-Forwarded-For:\n", "192.0.2.1", "an empty line says nothing"},
	    {"X-Forwarded-For: nonsense, 192.0.2.1\n", "192.0.2.1", "what a client wrote before does not matter"},
	    {"X-Forwarded-For: \"192.0.2.9\nX-Forwarded-For: 192.0.2.1\n", "192.0.2.1", "nor does an open quote"},
	    {"X-Forwarded-For: 192.0.2.1:4711\n", "192.0.2.1", "with a port"},
	    {"X-Forwarded-For: 2001:db8::1\n", "2001:db8::1", "IPv6 without brackets"},
	    {"X-Forwarded-For: [2001:db8::1]:4711\n", "2001:db8::1", "and with them"},
	    {"X-Forwarded-For: ::ffff:192.0.2.1\n", "192.0.2.1", "the mapped form is IPv4"},
	    {"X-Forwarded-For: 192.0.2.1, unknown\n", "unnamed", "a proxy that does not tell"},
	    {"X-Forwarded-For: unknown, 10.0.0.2\n", "unnamed", "behind a trusted one"},
	    {"X-Forwarded-For: \n", "unnamed", "empty"},
	    {"X-Forwarded-For: 192.0.2.1.\n", "unnamed", "no address"},
	    {"X-Forwarded-For: [2001:db8::1]x\n", "unnamed", "bytes after the bracket"},
	    {"X-Forwarded-For: [2001:db8::1\n", "unnamed", "no end of the bracket"},
	    {"Forwarded: for=192.0.2.1\n", "192.0.2.1", "RFC 7239 4"},
	    {"Forwarded: For=\"192.0.2.1:80\";by=10.0.0.1;proto=https\n", "192.0.2.1", "quoted, among others"},
	    {"Forwarded: proto=http ; for=192.0.2.1\n", "192.0.2.1", "not the first parameter"},
	    {"Forwarded: for=\"[2001:db8:cafe::17]:4711\"\n", "2001:db8:cafe::17", "IPv6"},
	    {"Forwarded: for=192.0.2.1, for=10.0.0.2\n", "192.0.2.1", "past a trusted proxy"},
	    {"Forwarded: for=10.0.0.9;by=\"a;for=192.0.2.9\"\n", "10.0.0.9", "a quoted semicolon separates nothing"},
	    {"Forwarded: for=_hidden\n", "unnamed", "obfuscated (RFC 7239 6.3)"},
	    {"Forwarded: for=unknown\n", "unnamed", "RFC 7239 6.2"},
	    {"Forwarded: proto=https\n", "unnamed", "no for"},
	    {"Forwarded: for=192.0.2.1;for=192.0.2.2\n", "unnamed", "two of them (RFC 7239 4)"},
	    {"Forwarded: for=\"192.0.2.9, for=192.0.2.1\n", "unnamed", "an open quote takes the rest of its line"},
	    {"Forwarded: for=192.0.2.1\nX-Forwarded-For: 192.0.2.1\n", "192.0.2.1", "both, alike"},
	    {"Forwarded: for=10.9.9.9\nX-Forwarded-For: 192.0.2.1\n", "192.0.2.1 or 10.9.9.9", "both, different"},
	    {"Forwarded: for=_x\nX-Forwarded-For: 192.0.2.1\n", "unnamed", "one of them names nobody"},
	    {"Via: 1.1 front\nX-Forwarded-Proto: https\n", "absent", "neither is there"},
	};
	struct cidr_list trusted = {NULL, 0};
	struct buf why;
	buf_init(&why, BUF_LINE);
	assert_int_equal(cidr_list_add(&trusted, span_of("10.0.0.0/8"), &why), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct head h;
		struct in6_addr client, other;
		char got[2 * INET6_ADDRSTRLEN + 8] = "absent", second[INET6_ADDRSTRLEN];
		message_init(&h);
		assert_int_equal(message_parse_fields(&h, span_of(rows[i].fields)), 0);
		switch (forwarded_client(&h, &trusted, &client, &other)) {
		case FORWARDED_ABSENT:
			break;
		case FORWARDED_UNNAMED:
			strcpy(got, "unnamed");
			break;
		case FORWARDED_NAMED:
			cidr_print(&client, got);
			break;
		case FORWARDED_TWO:
			cidr_print(&client, got);
			cidr_print(&other, second);
			snprintf(got + strlen(got), sizeof got - strlen(got), " or %s", second);
			break;
		}
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: %s, not %s (%s)", rows[i].fields, got, rows[i].want, rows[i].reason);
		message_fini(&h);
	}
	cidr_list_fini(&trusted);
	buf_fini(&why);
}

static void a_line_with_very_many_members_names_nobody(void **state)
{
	(void)state;
	struct cidr_list trusted = {NULL, 0};
	struct in6_addr client, other;
	struct head h;
	struct buf text;
	buf_init(&text, BUF_HEAD);
	buf_adds(&text, "X-Forwarded-For: 192.0.2.1");
	for (int i = 0; i < 200; i++)
		buf_adds(&text, ", 192.0.2.1");
	message_init(&h);
	assert_int_equal(message_parse_fields(&h, buf_span(&text)), 0);
	assert_int_equal(forwarded_client(&h, &trusted, &client, &other), FORWARDED_UNNAMED);
	message_fini(&h);
	buf_fini(&text);
}

static void the_fields_of_proxies_are_recognised(void **state)
{
	(void)state;
	static const struct {
		const char *fields;
		bool want;
	} rows[] = {{"Via: 1.1 x\n", true}, {"forwarded: for=_x\n", true}, {"X-Forwarded-For: 1\n", true},
	    {"x-forwarded-host: a\n", true}, {"X-Real-IP: 1\n", true}, {"Accept: */*\n", false}, {"", false}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct head h;
		message_init(&h);
		assert_int_equal(message_parse_fields(&h, span_of(rows[i].fields)), 0);
		if (forwarded_is(&h) != rows[i].want)
			fail_msg("%s", rows[i].fields);
		message_fini(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_client_is_the_rightmost_address_that_is_no_trusted_proxy),
	    cmocka_unit_test(a_line_with_very_many_members_names_nobody),
	    cmocka_unit_test(the_fields_of_proxies_are_recognised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
