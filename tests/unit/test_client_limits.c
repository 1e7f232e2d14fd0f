/* What each client uses: rates by a clock that is an argument, and a table that stays small. */
#include "net/client_limits.h"

#include "base/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct client_limit *take(struct client_limits *l, const char *address)
{
	struct in6_addr at;
	assert_int_equal(cidr_parse_address(span_of(address), &at), 0);
	return client_limits_take(l, &at);
}

static void a_client_may_send_its_share_at_once_and_then_one_at_a_time(void **state)
{
	(void)state;
	struct client_limits *l = client_limits_new();
	struct client_limit *c = take(l, "192.0.2.1"), *other = take(l, "192.0.2.2");
	const struct client_rate rate = {5, 10};
	for (int i = 0; i < 5; i++)
		assert_int_equal(client_limit_request(c, &rate, 1000000), 0);
	assert_int_equal(client_limit_request(c, &rate, 1000000), 2000); /* one in two seconds */
	assert_int_equal(client_limit_request(c, &rate, 1000000), 2000); /* a refused one is not counted */
	assert_int_equal(client_limit_request(c, &rate, 1001500), 500);
	assert_int_equal(client_limit_request(c, &rate, 1002000), 0);
	assert_int_equal(client_limit_request(c, &rate, 1002000), 2000);
	assert_int_equal(client_limit_request(other, &rate, 1002000), 0); /* another client has a share of its own */
	for (int i = 0; i < 5; i++) /* and the share is whole again after a while, but not more than that */
		assert_int_equal(client_limit_request(c, &rate, 1900000), 0);
	assert_true(client_limit_request(c, &rate, 1900000) > 0);
	client_limits_drop(l, c);
	client_limits_drop(l, other);
	client_limits_free(l);
}

static void without_a_limit_or_a_client_nothing_is_refused(void **state)
{
	(void)state;
	struct client_limits *l = client_limits_new();
	struct client_limit *c = take(l, "192.0.2.1");
	const struct client_rate none = {0, 0}, one = {1, 1};
	for (int i = 0; i < 100; i++) {
		assert_int_equal(client_limit_request(c, &none, 1000), 0);
		assert_int_equal(client_limit_request(NULL, &one, 1000), 0);
	}
	client_limit_sent(NULL, 1, 1000, 0);
	client_limit_sent(c, 0, 1000, 0);
	assert_int_equal(client_limit_wait_ms(NULL, 1, 0), 0);
	assert_int_equal(client_limit_wait_ms(c, 1, 0), 0);
	assert_int_equal(client_limit_pace(c, 0, 12345, -1), 12345);
	client_limits_drop(l, c);
	client_limits_drop(l, NULL);
	client_limits_free(l);
}

static void bytes_have_to_wait_for_those_that_were_sent(void **state)
{
	(void)state;
	struct client_limits *l = client_limits_new();
	struct client_limit *c = take(l, "192.0.2.1");
	assert_int_equal(client_limit_wait_ms(c, 1000, 50000), 0);
	client_limit_sent(c, 1000, 5000, 50000); /* five seconds' worth, less the tenth that may be ahead */
	assert_int_equal(client_limit_wait_ms(c, 1000, 50000), 4900);
	assert_int_equal(client_limit_wait_ms(c, 1000, 53000), 1900);
	assert_int_equal(client_limit_wait_ms(c, 1000, 55000), 0);
	client_limits_drop(l, c);
	client_limits_free(l);
}

static void addresses_of_one_customer_are_one_client(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false},
	    {"192.0.2.1", "::ffff:192.0.2.1", true}, {"2001:db8::1", "2001:db8::ffff:1:2:3", true},
	    {"2001:db8::1", "2001:db8:0:1::1", false}, {"::1", "127.0.0.1", false}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client_limits *l = client_limits_new();
		struct client_limit *a = take(l, rows[i].a), *b = take(l, rows[i].b);
		if ((a == b) != rows[i].same)
			fail_msg("%s %s", rows[i].a, rows[i].b);
		assert_int_equal(client_limit_connections(a, 1), 1);
		assert_int_equal(client_limit_connections(b, 1), rows[i].same ? 2 : 1);
		client_limits_drop(l, a);
		client_limits_drop(l, b);
		client_limits_free(l);
	}
}

static void a_client_that_has_left_is_remembered_only_while_its_share_is_not_whole(void **state)
{
	(void)state;
	struct client_limits *l = client_limits_new();
	const struct client_rate rate = {1, 3600};
	char address[32];
	client_limits_drop(l, take(l, "192.0.2.1"));
	assert_int_equal(client_limits_count(l), 0);
	for (int i = 0; i < 100000; i++) { /* an attacker has many addresses, and time that is far ahead */
		snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		struct client_limit *c = take(l, address);
		assert_int_equal(client_limit_request(c, &rate, INT64_C(1) << 40), 0);
		client_limits_drop(l, c);
	}
	assert_true(client_limits_count(l) <= 32768);
	struct client_limit *last = take(l, address); /* the one that left last is still known */
	assert_true(client_limit_request(last, &rate, INT64_C(1) << 40) > 0);
	client_limits_drop(l, last);
	client_limits_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_may_send_its_share_at_once_and_then_one_at_a_time),
	    cmocka_unit_test(without_a_limit_or_a_client_nothing_is_refused),
	    cmocka_unit_test(bytes_have_to_wait_for_those_that_were_sent),
	    cmocka_unit_test(addresses_of_one_customer_are_one_client),
	    cmocka_unit_test(a_client_that_has_left_is_remembered_only_while_its_share_is_not_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
