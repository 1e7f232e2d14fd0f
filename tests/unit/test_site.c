/* One label for each origin, one origin for each label; Location and Set-Cookie for LABEL.localhost. */
#include "http/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_origin_comes_back_from_its_label(void **state)
{
	(void)state;
	static const struct {
		bool secure;
		const char *host;
		int port;
		const char *label, *origin;
	} rows[] = {
	    {false, "example.com", 80, "example--com", "http://example.com"},
	    {true, "example.com", 443, "example--com---s", "https://example.com"},
	    {true, "example.com", 80, "example--com---s80", "https://example.com:80"},
	    {false, "example.com", 443, "example--com---p443", "http://example.com:443"},
	    {false, "example.com", 8080, "example--com---p8080", "http://example.com:8080"},
	    {true, "example.com", 65535, "example--com---s65535", "https://example.com:65535"},
	    {false, "localhost", 1, "localhost---p1", "http://localhost:1"},
	    {false, "a-b.example", 80, "a-b--example", "http://a-b.example"},
	    {false, "a--b.example", 80, "a---hh-b--example", "http://a--b.example"},
	    {false, "a---b", 80, "a---hhh-b", "http://a---b"},
	    {false, "a-.b", 80, "a---hd-b", "http://a-.b"},
	    {false, "a.-b", 80, "a---dh-b", "http://a.-b"},
	    {false, "a..b", 80, "a---dd-b", "http://a..b"},
	    {false, "-a.b-", 80, "---h-a--b---h", "http://-a.b-"},
	    {true, "a.b-", 8443, "a--b---h---s8443", "https://a.b-:8443"},
	    {false, "a-s", 80, "a-s", "http://a-s"},
	    {false, "a.s", 80, "a--s", "http://a.s"},
	    {false, "a-.s", 80, "a---hd-s", "http://a-.s"},
	    {false, "a--s", 80, "a---hh-s", "http://a--s"},
	    {false, "_dmarc.a_b", 80, "---u-dmarc--a---u-b", "http://_dmarc.a_b"},
	    {false, "a!b~", 80, "a---x21-b---x7e", "http://a!b~"},
	    {false, "xn--bcher-kva.example", 80, "x---n-n---hh-bcher-kva--example", "http://xn--bcher-kva.example"},
	    {false, "www.xn--bcher-kva.example", 80, "www--xn---hh-bcher-kva--example",
		"http://www.xn--bcher-kva.example"},
	    {false, "xn.example", 80, "x---n-n--example", "http://xn.example"},
	    {true, "xn", 443, "x---n-n---s", "https://xn"},
	    {false, "xnx.example", 80, "xnx--example", "http://xnx.example"},
	    {false, "127.0.0.1", 80, "127--0--0--1", "http://127.0.0.1"},
	    {false, "127.0.0.1", 8899, "127--0--0--1---p8899", "http://127.0.0.1:8899"},
	    {false, "1", 80, "1", "http://1"},
	    {false, "[::1]", 80, "0-0-0-0-0-0-0-1---v", "http://[::1]"},
	    {true, "[2001:db8::ff00:42:8329]", 443, "2001-db8-0-0-0-ff00-42-8329---vs",
		"https://[2001:db8::ff00:42:8329]"},
	    {false, "[2001:db8::1]", 8080, "2001-db8-0-0-0-0-0-1---vp8080", "http://[2001:db8::1]:8080"},
	    {true, "[2001:db8::1]", 8443, "2001-db8-0-0-0-0-0-1---vs8443", "https://[2001:db8::1]:8443"},
	    {false, "0-0-0-0-0-0-0-1", 80, "0-0-0-0-0-0-0-1", "http://0-0-0-0-0-0-0-1"},
	    {false, "a123456789012345678901234567890123456789012345678901234567.com", 80,
		"a123456789012345678901234567890123456789012345678901234567--com",
		"http://a123456789012345678901234567890123456789012345678901234567.com"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char label[SITE_LABEL] = "none";
		struct buf origin;
		buf_init(&origin, BUF_LINE);
		if (site_label(rows[i].secure, rows[i].host, rows[i].port, label) != 0 ||
		    strcmp(label, rows[i].label) != 0)
			fail_msg("%s: label %s, not %s", rows[i].origin, label, rows[i].label);
		if (site_origin(span_of(label), &origin) != 0 || strcmp(buf_str(&origin), rows[i].origin) != 0)
			fail_msg("%s: origin %s, not %s", label, buf_str(&origin), rows[i].origin);
		buf_fini(&origin);
	}
}

/* Every host of up to six characters that could be ambiguous. */
static void no_two_origins_share_a_label(void **state)
{
	(void)state;
	static const char letters[] = "xnsp-._";
	for (size_t number = 1; number < 7 * 7 * 7 * 7 * 7 * 7; number++) {
		char host[8] = "", want[16], label[SITE_LABEL];
		size_t n = 0;
		for (size_t rest = number; rest > 0; rest /= 7)
			host[n++] = letters[rest % 7];
		struct buf origin;
		buf_init(&origin, BUF_LINE);
		snprintf(want, sizeof want, "http://%s", host);
		if (site_label(false, host, 80, label) != 0 || site_origin(span_of(label), &origin) != 0 ||
		    strcmp(buf_str(&origin), want) != 0)
			fail_msg("%s: label %s, origin %s", host, label, buf_str(&origin));
		assert_false(strncmp(label, "xn--", 4) == 0);
		buf_fini(&origin);
	}
}

static void an_origin_whose_label_is_too_long_has_none(void **state)
{
	(void)state;
	char label[SITE_LABEL];
	assert_int_equal(
	    site_label(false, "a12345678901234567890123456789012345678901234567890123456789.com", 80, label), -1);
	assert_int_equal(
	    site_label(true, "a123456789012345678901234567890123456789012345678901234567.com", 443, label), -1);
	assert_int_equal(site_label(false, "", 80, label), -1);
	assert_int_equal(site_label(false, "[::1", 80, label), -1);
}

static void the_case_of_a_label_does_not_matter(void **state)
{
	(void)state;
	struct buf origin;
	buf_init(&origin, BUF_LINE);
	assert_int_equal(site_origin(span_of("Example--COM---S"), &origin), 0);
	assert_string_equal(buf_str(&origin), "https://example.com");
	buf_fini(&origin);
}

static void no_other_label_is_a_site(void **state)
{
	(void)state;
	static const char *const labels[] = {"", "-", "--", "---", "----", "a---", "a---s-", "a---q-b", "a----b",
	    "a---h-b", "a---d-b", "-a", "a-", "--a", "a--", "a---p80", "a---s443", "a---p080", "a---p", "a---p123456",
	    "a---s---s", "---s", "---p80", "a---n-b", "xn--bcher-kva", "a---v", "1-2---v", "0-0-0-0-0-0-0-01---v",
	    "a.b", "a---x61-b", "a---x2d-b", "a---x-b", "a_b", "a---x2", "\x80",
	    "a123456789012345678901234567890123456789012345678901234567890123"};
	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		struct buf origin;
		buf_init(&origin, BUF_LINE);
		if (site_origin(span_of(labels[i]), &origin) == 0)
			fail_msg("'%s' is taken for %s", labels[i], buf_str(&origin));
		assert_int_equal(origin.len, 0);
		buf_fini(&origin);
	}
}

static void a_location_leads_to_the_host_of_its_site(void **state)
{
	(void)state;
	static const struct {
		const char *base, *location, *want;
	} rows[] = {
	    {"http://example.com/a/b", "c?d#e", "http://example--com.localhost:8899/a/c?d#e"},
	    {"http://example.com/a/b", "/c", "http://example--com.localhost:8899/c"},
	    {"http://example.com/a/b", "//other.example/x", "http://other--example.localhost:8899/x"},
	    {"http://example.com/", "http://example.com//evil.example/x",
		"http://example--com.localhost:8899//evil.example/x"},
	    {"http://example.com/", "https://example.com/", "http://example--com---s.localhost:8899/"},
	    {"https://example.com/", "http://other.com:8080/x?y", "http://other--com---p8080.localhost:8899/x?y"},
	    {"http://example.com/", "https://a12345678901234567890123456789012345678901234567890123456789.com/x",
		"http://localhost:8899/https://a12345678901234567890123456789012345678901234567890123456789.com/x"},
	    {"http://example.com/", "mailto:a@b", NULL},
	    {"http://example.com/", "ftp://example.com/", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *got = site_location(rows[i].base, span_of(rows[i].location), span_of(":8899"));
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s to %s: %s, not %s", rows[i].base, rows[i].location, got != NULL ? got : "NULL",
			    rows[i].want);
		free(got);
	}
}

static void a_url_on_the_host_of_a_site_is_one_of_the_real_site(void **state)
{
	(void)state;
	static const struct {
		const char *url, *want;
	} rows[] = {
	    {"http://example--com.localhost:8899", "http://example.com"},
	    {"http://example--com---s.localhost:8899/a?b#c", "https://example.com/a?b#c"},
	    {"HTTP://Example--COM.LocalHost:8899/A", "http://example.com/A"},
	    {"http://example--com.localhost:8899?x", "http://example.com?x"},
	    {"http://example--com.localhost:1/", NULL},
	    {"http://example--com.localhost/", NULL},
	    {"https://example--com.localhost:8899/", NULL},
	    {"http://example--com.localhost:88990/", NULL},
	    {"http://example--com.localhost.evil:8899/", NULL},
	    {"http://evil/example--com.localhost:8899/", NULL},
	    {"http://user@example--com.localhost:8899/", NULL},
	    {"http://a---q.localhost:8899/", NULL},
	    {"http://localhost:8899/", NULL},
	    {"http://.localhost:8899/", NULL},
	    {"null", NULL},
	    {"", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *got = site_reveal(span_of(rows[i].url), span_of(":8899"));
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s: %s, not %s", rows[i].url, got != NULL ? got : "NULL",
			    rows[i].want != NULL ? rows[i].want : "NULL");
		free(got);
	}
}

static void a_cookie_stays_with_the_host_that_set_it(void **state)
{
	(void)state;
	static const struct {
		const char *section, *host, *cookie, *want; /* NULL: a browser refuses it */
	} rows[] = {
	    {"6265 4.1.2.3", "www.example.com", "a=b", "a=b"},
	    {"6265 4.1.2.3", "www.example.com", "a=b; Domain=example.com; Path=/", "a=b; Path=/"},
	    {"6265 5.2.3", "www.example.com", "a=b;domain=.Example.com", "a=b"},
	    {"6265 5.2.3", "www.example.com", "a=b; Domain=; Secure", "a=b; Secure"},
	    {"6265 5.2.3", "www.example.com", "a=b; Domain", "a=b"},
	    {"6265 5.3", "www.example.com", "a=b; Domain=other.com", NULL},
	    {"6265 5.3", "example.com", "a=b; Domain=www.example.com", NULL},
	    {"6265 5.3", "badexample.com", "a=b; Domain=example.com", NULL},
	    {"6265 5.3", "example.com", "a=b; Domain=localhost", NULL},
	    {"6265 5.2", "example.com", "a=b; Domain=other.com; Domain=example.com", "a=b"},
	    {"6265 5.2", "example.com", "a=b; Domain=example.com; Domain=other.com", NULL},
	    {"6265 5.1.3", "127.0.0.1", "a=b; Domain=0.0.1", NULL},
	    {"6265 5.1.3", "127.0.0.1", "a=b; Domain=127.0.0.1", "a=b"},
	    {"6265 5.2", "example.com", "Domain=x; Path=/", "Domain=x; Path=/"},
	    {"6265 5.2", "example.com", "a=Domain=other.com", "a=Domain=other.com"},
	    {"6265 5.2", "example.com", "", ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out;
		buf_init(&out, BUF_LINE);
		bool good = site_cookie(span_of(rows[i].cookie), span_of(rows[i].host), &out);
		if (good != (rows[i].want != NULL) || strcmp(buf_str(&out), good ? rows[i].want : "") != 0)
			fail_msg(
			    "RFC %s: %s from %s: '%s'", rows[i].section, rows[i].cookie, rows[i].host, buf_str(&out));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_origin_comes_back_from_its_label),
	    cmocka_unit_test(no_two_origins_share_a_label),
	    cmocka_unit_test(an_origin_whose_label_is_too_long_has_none),
	    cmocka_unit_test(the_case_of_a_label_does_not_matter),
	    cmocka_unit_test(no_other_label_is_a_site),
	    cmocka_unit_test(a_location_leads_to_the_host_of_its_site),
	    cmocka_unit_test(a_url_on_the_host_of_a_site_is_one_of_the_real_site),
	    cmocka_unit_test(a_cookie_stays_with_the_host_that_set_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
