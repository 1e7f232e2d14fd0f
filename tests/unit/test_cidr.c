/* Networks as people write them: what is read, what is refused with which advice, and which addresses they hold. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool holds(const char *list, const char *address)
{
	struct cidr_list l = {NULL, 0};
	struct in6_addr at;
	struct buf why;
	buf_init(&why, BUF_LINE);
	if (cidr_list_add(&l, span_of(list), &why) != 0)
		fail_msg("'%s' was refused: %s", list, buf_str(&why));
	if (cidr_parse_address(span_of(address), &at) != 0)
		fail_msg("%s is no address", address);
	bool held = cidr_list_holds(&l, &at);
	cidr_list_fini(&l);
	buf_fini(&why);
	return held;
}

static void a_list_holds_the_addresses_of_its_networks(void **state)
{
	(void)state;
	static const struct {
		const char *list, *address;
		bool want;
		const char *reason;
	} rows[] = {
	    {"10.0.0.0/8", "10.255.0.1", true, "inside"},
	    {"10.0.0.0/8", "11.0.0.0", false, "outside"},
	    {"10.1.2.0/23", "10.1.3.255", true, "not at a byte's edge"},
	    {"10.1.2.0/23", "10.1.4.0", false, "just after it"},
	    {"192.0.2.7", "192.0.2.7", true, "an address alone"},
	    {"192.0.2.7", "192.0.2.8", false, "its neighbour"},
	    {"192.0.2.7/32", "192.0.2.7", true, "the same with its length"},
	    {"0.0.0.0/0", "203.0.113.9", true, "all of IPv4"},
	    {"0.0.0.0/0", "2001:db8::1", false, "and nothing of IPv6"},
	    {"::/0", "2001:db8::1", true, "all of IPv6"},
	    {"::/0", "203.0.113.9", false, "and nothing of IPv4"},
	    {"::/0", "::ffff:203.0.113.9", false, "nor in its mapped form"},
	    {"10.0.0.0/8", "::ffff:10.1.2.3", true, "a mapped address is IPv4"},
	    {"::ffff:10.0.0.0/104", "10.1.2.3", true, "a mapped network is IPv4"},
	    {"::ffff:0:0/96", "10.1.2.3", true, "all of IPv4 in mapped form"},
	    {"fd00::/8", "fdff::1", true, "IPv6"},
	    {"fd00::/8", "fe80::1", false, "another network"},
	    {"[fd00::]/8", "fdff::1", true, "in brackets"},
	    {"[::1]", "::1", true, "an address in brackets"},
	    {"10.0.0.0/8,fd00::/8", "fd00::1", true, "separated by a comma"},
	    {"10.0.0.0/8 fd00::/8", "fd00::1", true, "separated by a blank"},
	    {" 10.0.0.0/8 , fd00::/8, ", "10.0.0.1", true, "by both"},
	    {"none", "127.0.0.1", false, "nothing at all"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (holds(rows[i].list, rows[i].address) != rows[i].want)
			fail_msg("'%s' %s (%s)", rows[i].list, rows[i].address, rows[i].reason);
}

static void a_wrong_network_is_refused_with_what_to_write_instead(void **state)
{
	(void)state;
	static const struct {
		const char *list, *says;
	} rows[] = {
	    {"10.0.0.1/8", "10.0.0.0/8 for the network, or 10.0.0.1 for the one address"},
	    {"192.168.1.0/16", "192.168.0.0/16"},
	    {"fd00::1/8", "fd00::/8 for the network, or fd00::1 for the one address"},
	    {"2001:db8::1/127", "2001:db8::/127"},
	    {"::ffff:10.0.0.1/104", "10.0.0.0/8 for the network, or 10.0.0.1"},
	    {"127.0.0.1/0", "0.0.0.0/0"},
	    {"10.0.0.0/33", "from 0 to 32"},
	    {"10.0.0.0/", "from 0 to 32"},
	    {"10.0.0.0/08", "from 0 to 32"},
	    {"10.0.0.0/-1", "from 0 to 32"},
	    {"10.0.0.0/255.0.0.0", "from 0 to 32"},
	    {"fd00::/129", "from 0 to 128"},
	    {"10.0.0", "'10.0.0' is not an address"},
	    {"010.0.0.0/8", "is not an address"},
	    {"[10.0.0.1]", "is not an address"},
	    {"fe80::1%lo", "is not an address"},
	    {"localhost", "is not an address"},
	    {"", "is not an address"},
	    {" , ", "is not an address"},
	    {"10.0.0.0/8,none", "'none' is not an address"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cidr_list l = {NULL, 0};
		struct buf why;
		buf_init(&why, BUF_LINE);
		if (cidr_list_add(&l, span_of(rows[i].list), &why) != -1 || strstr(buf_str(&why), rows[i].says) == NULL)
			fail_msg("'%s': %s", rows[i].list, buf_str(&why));
		buf_fini(&why);
		cidr_list_fini(&l);
	}
}

static void the_address_of_a_socket_is_read_and_printed_in_one_form(void **state)
{
	(void)state;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr local = {.sa_family = AF_UNIX};
	struct in6_addr a, b;
	char text[INET6_ADDRSTRLEN];
	inet_pton(AF_INET, "127.9.8.7", &v4.sin_addr);
	inet_pton(AF_INET6, "::ffff:127.9.8.7", &v6.sin6_addr);
	assert_true(cidr_of_socket((struct sockaddr *)&v4, &a));
	assert_true(cidr_of_socket((struct sockaddr *)&v6, &b));
	assert_memory_equal(&a, &b, sizeof a);
	assert_true(cidr_is_v4(&a) && cidr_is_loopback(&a));
	cidr_print(&a, text);
	assert_string_equal(text, "127.9.8.7");
	assert_false(cidr_of_socket(&local, &a));
	assert_int_equal(cidr_parse_address(span_of("::1"), &a), 0);
	assert_true(cidr_is_loopback(&a) && !cidr_is_v4(&a));
	cidr_print(&a, text);
	assert_string_equal(text, "::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_holds_the_addresses_of_its_networks),
	    cmocka_unit_test(a_wrong_network_is_refused_with_what_to_write_instead),
	    cmocka_unit_test(the_address_of_a_socket_is_read_and_printed_in_one_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
