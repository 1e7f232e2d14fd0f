/* --origin NAME=URL: which values it takes, which site a host has, and which server of a site is asked. */
#include "fetch/named_sites.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_value_has_a_name_if_an_equals_sign_comes_before_any_slash(void **state)
{
	(void)state;
	assert_true(named_sites_is_named("shop.example=http://127.0.0.1:8080"));
	assert_true(named_sites_is_named("*=127.0.0.1"));
	assert_true(named_sites_is_named("[::1]=http://127.0.0.1"));
	assert_false(named_sites_is_named("http://127.0.0.1:8080/?a=b"));
	assert_false(named_sites_is_named("localhost/?a=b"));
	assert_false(named_sites_is_named("localhost"));
}

static struct named_sites *sites_of(const char *const *texts, size_t count)
{
	struct named_sites *sites = named_sites_new();
	struct buf why;
	buf_init(&why, BUF_LINE);
	for (size_t i = 0; i < count; i++)
		if (named_sites_add(sites, texts[i], &why) != 0)
			fail_msg("%s", buf_str(&why));
	buf_fini(&why);
	return sites;
}

static void the_longest_name_that_fits_is_the_site(void **state)
{
	(void)state;
	static const char *const texts[] = {"*=a", "*.example=a", "*.b.example=a", "b.example=a", "[0::1]=a"};
	static const struct {
		const char *host, *name;
	} table[] = {{"b.example", "b.example"}, {"x.b.example", "*.b.example"}, {"c.example", "*.example"},
	    {"example", "*"}, {"xb.example", "*.example"}, {"[::1]", "[::1]"}, {"127.0.0.1", "*"}};
	struct named_sites *sites = sites_of(texts, sizeof texts / sizeof texts[0]);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		assert_string_equal(named_sites_find(sites, span_of(table[i].host))->name, table[i].name);
	assert_string_equal(named_sites_of_url(sites, "https://b.example:81/x")->name, "b.example");
	assert_string_equal(named_sites_of_url(sites, "http://[::1]:81/x")->name, "[::1]");
	named_sites_free(sites);
}

static void a_server_that_failed_is_asked_last_for_ten_seconds(void **state)
{
	(void)state;
	static const char *const texts[] = {"s=http://a,http://b/app/,c"};
	struct named_sites *sites = sites_of(texts, 1);
	const struct named_site *site = named_sites_find(sites, span_of("s"));
	assert_int_equal(site->backend_count, 3);
	assert_int_equal(named_site_choose(site, 0, 1000), 0);
	named_site_failed(site, 0, 1000, "refused");
	assert_int_equal(named_site_choose(site, 0, 10999), 1);
	assert_int_equal(named_site_choose(site, 0, 11000), 0);
	assert_int_equal(named_site_choose(site, 1 | 2 | 4, 1000), -1);
	named_site_failed(site, 1, 1000, "refused");
	named_site_failed(site, 2, 1000, "refused");
	assert_int_equal(named_site_choose(site, 0, 1000), 0);
	assert_int_equal(named_site_choose(site, 1, 1000), 1);
	char *url = named_site_url(&site->backends[1], "https://s:81/x?y");
	assert_string_equal(url, "http://b/app/x?y");
	free(url);
	named_sites_free(sites);
}

static void sites_that_were_replaced_stay_valid(void **state)
{
	(void)state;
	static const char *const old[] = {"s=a"}, *const new[] = {"t=b"};
	struct named_sites *sites = sites_of(old, 1);
	const struct named_site *site = named_sites_find(sites, span_of("s"));
	named_sites_replace(sites, sites_of(new, 1));
	assert_null(named_sites_find(sites, span_of("s")));
	assert_non_null(named_sites_find(sites, span_of("t")));
	assert_string_equal(site->name, "s");
	named_sites_free(sites);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_has_a_name_if_an_equals_sign_comes_before_any_slash),
	    cmocka_unit_test(the_longest_name_that_fits_is_the_site),
	    cmocka_unit_test(a_server_that_failed_is_asked_last_for_ten_seconds),
	    cmocka_unit_test(sites_that_were_replaced_stay_valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
