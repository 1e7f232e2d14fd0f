/* Which addresses may be fetched from: the special ones, their disguises, and the rules that open them. */
#include "fetch/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool judge(const char *rules, const char *address, int port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct allow *allow = allow_new();
	struct buf why;
	buf_init(&why, BUF_LINE);
	assert_int_equal(allow_add(allow, rules, &why), 0);
	bool verdict;
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
		verdict = allow_judge(allow, (struct sockaddr *)&v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
		verdict = allow_judge(allow, (struct sockaddr *)&v6);
	}
	buf_fini(&why);
	allow_free(allow);
	return verdict;
}

static void only_public_addresses_are_reached_unless_a_rule_names_others(void **state)
{
	(void)state;
	static const struct {
		const char *rules, *address;
		int port;
		bool want;
		const char *reason;
	} rows[] = {
	    {"", "93.184.216.34", 80, true, "public"},
	    {"", "2606:2800:220:1::1", 443, true, "public IPv6"},
	    {"", "127.0.0.1", 80, false, "loopback"},
	    {"", "127.255.0.9", 80, false, "all of 127/8"},
	    {"", "0.0.0.0", 80, false, "connects to this host"},
	    {"", "10.1.2.3", 80, false, "private"},
	    {"", "172.16.0.1", 80, false, "private"},
	    {"", "172.32.0.1", 80, true, "just outside"},
	    {"", "192.168.1.1", 80, false, "private"},
	    {"", "169.254.169.254", 80, false, "link-local: clouds keep their secrets there"},
	    {"", "100.64.0.1", 80, false, "shared address space"},
	    {"", "224.0.0.1", 80, false, "multicast"},
	    {"", "255.255.255.255", 80, false, "broadcast"},
	    {"", "::1", 80, false, "loopback"},
	    {"", "::", 80, false, "unspecified"},
	    {"", "fe80::1", 80, false, "link-local"},
	    {"", "fd12::1", 80, false, "unique local"},
	    {"", "ff02::1", 80, false, "multicast"},
	    {"", "::ffff:127.0.0.1", 80, false, "mapped loopback"},
	    {"", "::ffff:93.184.216.34", 80, true, "mapped public"},
	    {"", "64:ff9b::7f00:1", 80, false, "NAT64 of loopback"},
	    {"", "2002:7f00:1::1", 80, false, "6to4 of loopback"},
	    {"", "::127.0.0.1", 80, false, "compatible form"},
	    {"", "::ffff:0:93.184.216.34", 80, false, "translated form (SIIT)"},
	    {"", "64:ff9b::5db8:d822", 80, true, "NAT64 of a public address"},
	    {"", "64:ff9b:1::5db8:d822", 80, false, "NAT64 of a local prefix"},
	    {"", "2002:5db8:d822::1", 80, true, "6to4 of a public address"},
	    {"", "2001:0:4136:e378::1", 80, false, "Teredo"},
	    {"", "2001:db8::1", 80, false, "documentation"},
	    {"", "3fff::1", 80, false, "documentation, the newer block"},
	    {"", "3fff:fff:ffff::1", 80, false, "its end"},
	    {"", "3fff:1000::1", 80, true, "just outside"},
	    {"", "2000::1", 80, true, "the first of global unicast"},
	    {"", "3ffe:ffff::1", 80, true, "near its end"},
	    {"", "1fff:ffff::1", 80, false, "before it"},
	    {"", "4000::1", 80, false, "after it"},
	    {"", "5f00::1", 80, false, "segment routing"},
	    {"", "100::1", 80, false, "discard only"},
	    {"", "200::1", 80, false, "reserved"},
	    {"", "fec0::1", 80, false, "site-local"},
	    {"", "febf::1", 80, false, "the end of link-local"},
	    {"5f00::/16", "5f00::1", 80, true, "unless a rule names it"},
	    {"loopback", "127.0.0.1", 80, true, "the word"},
	    {"loopback", "::1", 80, true, "both families"},
	    {"loopback", "::ffff:127.0.0.1", 80, true, "and its disguise"},
	    {"loopback", "10.0.0.1", 80, false, "that word only"},
	    {"loopback:8080", "127.0.0.1", 8080, true, "the port meant"},
	    {"loopback:8080", "127.0.0.1", 80, false, "another port"},
	    {"private", "10.9.8.7", 80, true, "the word"},
	    {"private", "fd00::5", 80, true, "IPv6 too"},
	    {"private", "127.0.0.1", 80, false, "not loopback"},
	    {"private", "169.254.169.254", 80, false, "not link-local"},
	    {"10.1.2.0/24", "10.1.2.255", 80, true, "inside"},
	    {"10.1.2.0/24", "10.1.3.0", 80, false, "outside"},
	    {"10.1.2.3", "10.1.2.3", 80, true, "a single address"},
	    {"10.1.2.3", "10.1.2.4", 80, false, "its neighbour"},
	    {"10.1.2.0/23", "10.1.3.9", 80, true, "not at a byte's edge"},
	    {"fd00::/8", "fd99::1", 80, true, "IPv6 network"},
	    {"[fd00::]/8:443", "fd99::1", 443, true, "with a port"},
	    {"[fd00::]/8:443", "fd99::1", 80, false, "with another"},
	    {"private, 127.0.0.1:9", "127.0.0.1", 9, true, "a list"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (judge(rows[i].rules, rows[i].address, rows[i].port) != rows[i].want)
			fail_msg("'%s' %s:%d (%s)", rows[i].rules, rows[i].address, rows[i].port, rows[i].reason);
}

static void a_rule_that_is_none_is_refused_by_name(void **state)
{
	(void)state;
	static const char *const rows[] = {"nonsense", "10.0.0.0/33", "10.0.0.0/x", "loopback:0", "loopback:99999",
	    "10.0.0", "fd00::/129", "loopback:", "10.0.0.1/-1", "10.0.0.1/8", "fd00::1/8"};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct allow *allow = allow_new();
		struct buf why;
		buf_init(&why, BUF_LINE);
		if (allow_add(allow, rows[i], &why) != -1 || strstr(buf_str(&why), rows[i]) == NULL)
			fail_msg("'%s' was taken: %s", rows[i], buf_str(&why));
		buf_fini(&why);
		allow_free(allow);
	}
}

static void without_rules_at_all_only_public_addresses_are_reached(void **state)
{
	(void)state;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	inet_pton(AF_INET, "127.0.0.1", &v4.sin_addr);
	assert_false(allow_judge(NULL, (struct sockaddr *)&v4));
	struct sockaddr unix_socket = {.sa_family = AF_UNIX};
	assert_false(allow_judge(NULL, &unix_socket));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_public_addresses_are_reached_unless_a_rule_names_others),
	    cmocka_unit_test(a_rule_that_is_none_is_refused_by_name),
	    cmocka_unit_test(without_rules_at_all_only_public_addresses_are_reached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
