/* --parent: which values it takes, and how long a parent that failed is left out. */
#include "fetch/parent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void only_the_address_of_a_server_is_a_parent(void **state)
{
	(void)state;
	static const struct {
		const char *text, *url; /* NULL: refused */
	} table[] = {
	    {"http://cache.example:8899", "http://cache.example:8899/"},
	    {"HTTP://Cache.Example:80/", "http://cache.example/"},
	    {"http://[::1]:8899", "http://[::1]:8899/"},
	    {"https://cache.example", NULL},
	    {"cache.example:8899", NULL},
	    {"http://cache.example/path", NULL},
	    {"http://cache.example/?x", NULL},
	    {"http://user:password@cache.example/", NULL},
	    {"socks5://cache.example", NULL},
	    {"", NULL},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const char *why;
		struct parent *p = parent_new(table[i].text, &why);
		if ((p == NULL) != (table[i].url == NULL) || (p == NULL) != (why != NULL) ||
		    (p != NULL && strcmp(parent_url(p), table[i].url) != 0))
			fail_msg("%s: %s", table[i].text, p != NULL ? parent_url(p) : why);
		parent_free(p);
	}
}

static void a_parent_that_failed_is_left_out_for_ten_seconds(void **state)
{
	(void)state;
	const char *why;
	struct parent *p = parent_new("http://cache.example", &why);
	assert_true(parent_is_up(p, 0));
	parent_failed(p, 1000, "refused");
	assert_false(parent_is_up(p, 1000));
	assert_false(parent_is_up(p, 10999));
	assert_true(parent_is_up(p, 11000));
	parent_failed(p, 11000, "refused");
	assert_false(parent_is_up(p, 20999));
	assert_true(parent_is_up(p, 21000));
	parent_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_the_address_of_a_server_is_a_parent),
	    cmocka_unit_test(a_parent_that_failed_is_left_out_for_ten_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
