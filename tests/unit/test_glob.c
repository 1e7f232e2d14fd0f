/* What a person types as a GLOB, and what is matched with normal URLs. */
#include "http/glob.h"
#include "http/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What glob_read() makes of it for rules; NULL: refused. */
static char *read_glob(const char *typed)
{
	struct buf out;
	const char *why = NULL;
	buf_init(&out, BUF_HEAD);
	int rc = glob_read(typed, "http*", &out, &why);
	assert_true((rc == 0) == (why == NULL));
	char *text = rc == 0 ? buf_take(&out) : NULL;
	buf_fini(&out);
	return text;
}

static void a_glob_is_brought_to_the_form_of_normal_urls(void **state)
{
	(void)state;
	static const struct {
		const char *typed, *want, *reason;
	} rows[] = {
	    {"*", "*", "everything"},
	    {"*.iso", "*.iso", "the end of a URL"},
	    {"*/Releases/*", "*/Releases/*", "a part of it"},
	    {"http*example*", "http*example*", "an open scheme"},
	    {"example.com/*", "http*://example.com/*", "no scheme is both"},
	    {"Example.COM/A*", "http*://example.com/A*", "case of host, not path"},
	    {"HTTP://Example.com/*", "http://example.com/*", "case of scheme"},
	    {"http?://*.Example.com/*", "http?://*.example.com/*", "with wildcards"},
	    {"*.Example.com/*", "*.example.com/*", "any scheme and host"},
	    {"*.example.com/x.JPG*", "*.example.com/x.JPG*", "but not of paths"},
	    {"http://x:80/*", "http://x/*", "a default port"},
	    {"https://x:0443/*", "https://x/*", "with noughts"},
	    {"https://x:80/*", "https://x:80/*", "not the other's"},
	    {"http://*.x:80/*", "http://*.x/*", "after a wildcard"},
	    {"x:8080/*", "http*://x:8080/*", "another port"},
	    {"http://x:*/y*", "http://x:*/y*", "any port"},
	    {"http://x:80[0-9]*/y", "http://x:80[0-9]*/y", "a set of ports"},
	    {"http://x.:/*", "http://x/*", "the root's dot, an empty port"},
	    {"http*://x", "http*://x/", "no path is the first page"},
	    {"http://x*", "http://x*", "an open end"},
	    {"http://*.ISO", "http://*.ISO", "an open end is no host"},
	    {"http://a/%7e%2f%41*", "http://a/~%2FA*", "escapes"},
	    {"*%7e%2f*", "*~%2F*", "also without a host"},
	    {"http://a/x/../y/./*", "http://a/y/*", "dot segments"},
	    {"http://a/%2e%2E/y*", "http://a/y*", "escaped dots"},
	    {"http://a/*?x=/../*", "http://a/*?x=/../*", "not in a query"},
	    {"http://a/..*", "http://a/..*", "nor half of one"},
	    {"http://a/x|y {z}*", "http://a/x%7Cy%20%7Bz%7D*", "bytes that no URI contains"},
	    {"http://a/\xc3\xa9*", "http://a/%C3%A9*", "letters"},
	    {"b\xc3\xbc"
	     "cher.example/*",
		"http*://xn--bcher-kva.example/*", "an internationalised name"},
	    {"http://*.B\xc3\x9c"
	     "cher.example/*",
		"http://*.xn--bcher-kva.example/*", "one label of it"},
	    {"http://0x7f.1/*", "http://127.0.0.1/*", "an address"},
	    {"http://[::1]/*", "http://[[]::1]/*", "an IPv6 address"},
	    {"[0:0::1]:8080/*", "http*://[[]::1]:8080/*", "in its one spelling"},
	    {"http://[2001:DB8:*]/*", "http://[[]2001:db8:*]/*", "a part of one"},
	    {"http://[[]::1]/*", "http://[[]::1]/*", "quoted already"},
	    {"http://[ab].example/*", "http://[ab].example/*", "a set of hosts"},
	    {"http://a/[ab]*", "http://a/[ab]*", "a set"},
	    {"http://a/[^ab]*[0-9]", "http://a/[^ab]*[0-9]", "sets"},
	    {"http://a/[[]x][?][*][]]*", "http://a/[[]x][?][*][]]*", "quotes"},
	    {"http://a/?tag[]=*", "http://a/?tag[[]]=*", "a parameter"},
	    {"http://a/?x[]=1&y[]=*", "http://a/?x[[]]=1&y[[]]=*", "two"},
	    {"http://a/?a[0][k]=*", "http://a/?a[[]0][[]k]=*", "indexes"},
	    {"http://a/?filter[name]=*", "http://a/?filter[[]name]=*", "names"},
	    {"http://a/?page=[12]*", "http://a/?page=[12]*", "a set in a query"},
	    {"http://a/?v[0-9]=*", "http://a/?v[0-9]=*", "a range"},
	    {"http://a/x[*", "http://a/x[[]*", "one that is not closed"},
	    {"http://a/x]*", "http://a/x]*", "one that is not opened"},
	    {"ftp://a/*", NULL, "another scheme"},
	    {"http:/a/*", NULL, "one slash"},
	    {"https:a/*", NULL, "no slash"},
	    {"httpx://a/*", NULL, "nearly one"},
	    {"http://a/x#y*", NULL, "a fragment"},
	    {"*#*", NULL, "a fragment anywhere"},
	    {"http://u@a/*", NULL, "a user"},
	    {"x:80/*", NULL, "the default port of one scheme"},
	    {"*://x:443/*", NULL, "of the other"},
	    {"http://x:99999/*", NULL, "a port too high"},
	    {"http://x:a/*", NULL, "a port that is a name"},
	    {"http://a/*/../x", NULL, "dots after a wildcard"},
	    {"http://a?.example", NULL, "wildcards, but no path"},
	    {"http://a?x=*", NULL, "a query without a path"},
	    {"http://a b/*", NULL, "a space in the host"},
	    {"http:///*", NULL, "no host"},
	    {"http://*b\xc3\xbc/*", NULL, "half a label beyond ASCII"},
	    {"http://a/\n*", NULL, "a line end"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *got = read_glob(rows[i].typed);
		if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("<%s> gave <%s>, not <%s>: %s", rows[i].typed, got != NULL ? got : "NULL",
			    rows[i].want != NULL ? rows[i].want : "NULL", rows[i].reason);
		char *again = got != NULL ? read_glob(got) : NULL;
		if (got != NULL && (again == NULL || strcmp(got, again) != 0))
			fail_msg("<%s> gave <%s> when read again", got, again != NULL ? again : "NULL");
		free(again);
		free(got);
	}
}

static void a_url_matches_itself(void **state)
{
	(void)state;
	static const char *const urls[] = {"http://[::1]:8080/x", "http://a/?tag[]=1", "http://a/?a[0]=b&c[d][e]=f",
	    "http://a/x[", "http://a/x]y", "http://a/?x[]=1&y[]=2", "http://a/%7eb%2f|{}", "http://a:80/x/../y",
	    "HTTP://A?b", "http://a/[]", "http://b\xc3\xbc/\xc3\xbc"};
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct buf out, open;
		char *url = key_normalise(urls[i], "http"), *text = NULL;
		const char *why;
		assert_false(glob_is_wild(urls[i]));
		buf_init(&out, BUF_HEAD);
		glob_quote(span_of(url), &out);
		assert_true(glob_matches(buf_str(&out), url));
		buf_fini(&out);
		buf_init(&open, BUF_HEAD); /* and so it does with a star at its end */
		buf_addf(&open, "%s*", urls[i]);
		buf_init(&out, BUF_HEAD);
		text = strdup(buf_str(&open));
		if (strchr(strstr(urls[i], "//") + 2, '/') != NULL &&
		    (glob_read(text, "http", &out, &why) != 0 || !glob_matches(buf_str(&out), url)))
			fail_msg("<%s> gave <%s>, which does not match <%s>", text, buf_str(&out), url);
		free(text);
		free(url);
		buf_fini(&out);
		buf_fini(&open);
	}
	assert_true(glob_is_wild("http://a/[ab]"));
	assert_true(glob_is_wild("*"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_glob_is_brought_to_the_form_of_normal_urls),
	    cmocka_unit_test(a_url_matches_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
