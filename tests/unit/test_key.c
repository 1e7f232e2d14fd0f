/* What requests are called: URLs in one spelling, targets in five ways, variants. */
#include "http/key.h"
#include "http/location.h"
#include "http/vary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const char *shown(const char *text)
{
	return text == NULL ? "NULL" : text;
}

static void a_url_has_one_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *section, *url, *want, *reason;
	} rows[] = {
	    {"9110 4.2.3", "http://example.com", "http://example.com/", "an empty path"},
	    {"9110 4.2.3", "HTTP://EXAMPLE.com/A", "http://example.com/A", "case of host, not path"},
	    {"1034 3.1", "http://example.com./a", "http://example.com/a", "the root's dot"},
	    {"9110 4.2.3", "http://example.com:80/", "http://example.com/", "the default port"},
	    {"9110 4.2.3", "https://example.com:443/", "https://example.com/", "of https too"},
	    {"9110 4.2.3", "http://example.com:443/", "http://example.com:443/", "not the other's"},
	    {"9110 4.2.3", "http://example.com:/", "http://example.com/", "an empty port"},
	    {"9110 4.2.3", "http://example.com:0080/", "http://example.com/", "noughts in a port"},
	    {"3986 6.2.2.2", "http://a/%7Eb%2dc%41", "http://a/~b-cA", "unreserved ones decoded"},
	    {"3986 6.2.2.2", "http://a/%5A%7a%39%30%61", "http://a/Zz90a", "to the last of each kind"},
	    {"3986 6.2.2.1", "http://a/%ff%FF%40%5b%60%7b", "http://a/%FF%FF%40%5B%60%7B", "and none beyond"},
	    {"3986 6.2.2.1", "http://a/%2f%3a?%2f", "http://a/%2F%3A?%2F", "escapes in capitals"},
	    {"3986 6.2.2.3", "http://a/b/./c/../d", "http://a/b/d", "dot segments"},
	    {"3986 6.2.2.3", "http://a/../..", "http://a/", "none above the root"},
	    {"3986 6.2.2.3", "http://a/b/..", "http://a/", "one at the end"},
	    {"3986 6.2.2.3", "http://a/b/.", "http://a/b/", "a single dot at the end"},
	    {"3986 6.2.2.3", "http://a/%2e%2E/b/%2e./c", "http://a/c", "escaped dots"},
	    {"3986 6.2.2.3", "http://a/b?x=/../y", "http://a/b?x=/../y", "but not in a query"},
	    {"3986 3.3", "http://a/b//c", "http://a/b//c", "empty segments stay"},
	    {"3986 3.4", "http://a?b", "http://a/?b", "a query without a path"},
	    {"3986 3.4", "http://a/?", "http://a/?", "an empty query is one"},
	    {"3986 3.4", "http://a/b?c?d=%20&e", "http://a/b?c?d=%20&e", "a query is kept"},
	    {"3986 3.5", "http://a/b#c?d", "http://a/b", "a fragment goes"},
	    {"3986 2.1", "http://a/%zz%", "http://a/%zz%", "what is no escape stays"},
	    {"3986 2.1", "http://a/%%34%31", "http://a/%%341", "and makes none with others"},
	    {"3986 2.1", "http://a/%4%31", "http://a/%4%31", "nor half of one"},
	    {"3986 2.1", "http://a/b c?d e", "http://a/b%20c?d%20e", "people write spaces"},
	    {"3986 2.1", "http://a/caf\xc3\xa9", "http://a/caf%C3%A9", "and letters"},
	    {"3986 3.3", "http://a/;p=1/b,c'!$&()*+=:@", "http://a/;p=1/b,c'!$&()*+=:@", "reserved bytes stay"},
	    {"3986 6.2.2", "http://ex%61mple.com/", "http://example.com/", "an escape in the host"},
	    {"5890",
		"http://B\xc3\x9c"
		"cher.example/",
		"http://xn--bcher-kva.example/", "an internationalised name"},
	    {"5890", "http://b%C3%BCcher.example:80/\xc3\xbc", "http://xn--bcher-kva.example/%C3%BC", "escaped"},
	    {"5890",
		"http://bu\xcc\x88"
		"cher.example/",
		"http://xn--bcher-kva.example/", "composed of two"},
	    {"5890", "http://fa\xc3\x9f.example/", "http://xn--fa-hia.example/", "as browsers read it"},
	    {"5890", "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1/", "http://127.0.0.1/", "wide digits are digits"},
	    {"3986 2.1", "http://a/|\"{}<>^`?\\", "http://a/%7C%22%7B%7D%3C%3E%5E%60?%5C",
		"bytes that no URI contains"},
	    {"3986 2.2", "http://a/?x[]=[1]", "http://a/?x[]=[1]", "brackets stay"},
	    {"3986 3.2.2", "http://0x7f.1/", "http://127.0.0.1/", "one spelling of IPv4"},
	    {"3986 3.2.2", "http://2130706433/", "http://127.0.0.1/", "of the number too"},
	    {"5952 4", "http://[0:0:0::1]:80/", "http://[::1]/", "one of IPv6"},
	    {"5952 4", "http://[::FFFF:1.2.3.4]:8080/", "http://[::ffff:1.2.3.4]:8080/", "mapped"},
	    {"", "example.com/x", "http://example.com/x", "the default scheme"},
	    {"", " example.com:8080 ", "http://example.com:8080/", "and white space around"},
	    {"", "localhost:8899/x", "http://localhost:8899/x", "a port is no scheme"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *once = key_normalise(rows[i].url, "http");
		if (!same(once, rows[i].want))
			fail_msg("%s: <%s> gave <%s>, not <%s>: %s", rows[i].section, rows[i].url, shown(once),
			    rows[i].want, rows[i].reason);
		char *twice = key_normalise(once, "https");
		assert_string_equal(once, twice);
		free(once);
		free(twice);
	}
	char *secure = key_normalise("example.com", "https");
	assert_string_equal(secure, "https://example.com/");
	free(secure);
}

static void a_key_is_what_the_client_wrote_and_has_one_normal_url(void **state)
{
	(void)state;
	static const struct {
		const char *url, *key, *normal;
	} rows[] = {
	    {"HTTP://A:80/%7e?%5b", "http://a/%7e?%5b", "http://a/~?%5B"},
	    {"http://a/x/../%2f//b", "http://a/x/../%2f//b", "http://a/%2F//b"},
	    {"http://a/%2E%2e/.//..", "http://a/%2E%2e/.//..", "http://a/"},
	    {"http://a/?/../%61", "http://a/?/../%61", "http://a/?/../a"},
	    {"http://a/%2F?%5B", "http://a/%2F?%5B", NULL},
	    {"http://a/...", "http://a/...", NULL},
	    {"http://a?b|c#d", "http://a/?b%7Cc", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *normal, *key = key_of_url(rows[i].url, "http");
		assert_string_equal(key, rows[i].key);
		assert_int_equal(key_normal(key, &normal), 0);
		if (!same(normal, rows[i].normal))
			fail_msg("<%s> gave <%s>, not <%s>", key, shown(normal), shown(rows[i].normal));
		free(normal);
		free(key);
	}
}

static void what_is_not_fetched_has_no_url(void **state)
{
	(void)state;
	static const struct {
		const char *url, *reason;
	} rows[] = {
	    {"", "empty"},
	    {"http://", "no host"},
	    {"http://example.com../a", "two dots at the end"},
	    {"http://a..b/", "an empty label"},
	    {"http://.a/", "an empty first one"},
	    {"http://./", "nothing else"},
	    {"http://127.0.0.1./", "an address has no dot behind it"},
	    {"http://0x7f.1./", "however it is written"},
	    {"http:///x", "no host"},
	    {"http://:80/", "a port only"},
	    {"http://?x", "a query only"},
	    {"ftp://example.com/", "another scheme"},
	    {"file:///etc/passwd", "files"},
	    {"javascript:alert(1)", "scripts"},
	    {"mailto:a@b", "mail"},
	    {"http:example.com", "no slashes"},
	    {"http:/example.com", "one slash"},
	    {"http://u@example.com/", "a user"},
	    {"http://u:p@example.com/", "a password"},
	    {"http://@example.com/", "an empty user"},
	    {"http://example.com\\@evil/", "a backslash in the authority"},
	    {"http://example.com/\\..\\x", "a backslash in the path"},
	    {"http://../x", "only dots"},
	    {"http://exa mple.com/", "a space in the host"},
	    {"http://example.com/\n", "a line end"},
	    {"http://example.com/\x7f", "a control byte"},
	    {"http://example.com/?\x01", "one in the query"},
	    {"http://ex%2fmple.com/", "an escaped slash in the host"},
	    {"http://example.com%40evil/", "an escaped user"},
	    {"http://example.com%3A80/", "an escaped colon"},
	    {"http://a%00.example/", "a NUL"},
	    {"http://\xff.example/", "no UTF-8"},
	    {"http://\xe2\x84\x80.example/", "a letter that becomes a slash"},
	    {"http://example.com:0/", "port 0"},
	    {"http://example.com:65536/", "a port too high"},
	    {"http://example.com:80a/", "no port"},
	    {"http://example.com:-80/", "a negative port"},
	    {"http://example.com:80:80/", "two ports"},
	    {"http://[::1/", "an open bracket"},
	    {"http://[::1]x/", "rubbish behind the bracket"},
	    {"http://[::g]/", "no address"},
	    {"http://[fe80::1%25eth0]/", "an IPv6 zone"},
	    {"http://::1/", "IPv6 without brackets"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *url = key_normalise(rows[i].url, "http");
		if (url != NULL)
			fail_msg("<%s> gave <%s>: %s", rows[i].url, url, rows[i].reason);
	}
}

struct row {
	const char *target;
	enum key_form form;
	int status; /* of the fault; 0: none */
	const char *url, *host;
	int port;
	const char *path, *reason;
};

static void check_targets(const struct key_settings *settings, const char *method, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct key_target t;
		struct fault fault = {0, NULL};
		int result = key_of_target(settings, span_of(method), span_of(rows[i].target), &t, &fault);
		bool right = rows[i].status != 0 ? result == -1 && fault.status == rows[i].status && fault.why != NULL
						 : result == 0 && t.form == rows[i].form;
		right = right && same(t.url, rows[i].url) && same(t.host, rows[i].host) && t.port == rows[i].port &&
			same(t.path, rows[i].path);
		if (!right)
			fail_msg("%s %s: result %d, status %d, form %d, url %s, host %s, port %d, "
				 "path %s: %s",
			    method, rows[i].target, result, fault.status, t.form, shown(t.url), shown(t.host), t.port,
			    shown(t.path), rows[i].reason);
		key_fini(&t);
	}
}

static const struct key_settings forward = {.default_scheme = "http"};

static void a_prefix_target_names_host_and_path(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"/example.com/x?y=1", KEY_PREFIX, 0, "http://example.com/x?y=1", "example.com", 80, "example.com/x",
		"the plain form"},
	    {"/example.com", KEY_PREFIX, 0, "http://example.com/", "example.com", 80, "example.com", "no slash behind"},
	    {"/example.com?q", KEY_PREFIX, 0, "http://example.com/?q", "example.com", 80, "example.com",
		"a query without a path"},
	    {"/Example.com:8080/x", KEY_PREFIX, 0, "http://example.com:8080/x", "example.com", 8080,
		"Example.com:8080/x", "a port"},
	    {"/[::1]:8080/x", KEY_PREFIX, 0, "http://[::1]:8080/x", "[::1]", 8080, "[::1]:8080/x", "IPv6"},
	    {"/https://example.com/x", KEY_PREFIX, 0, "https://example.com/x", "example.com", 443, NULL,
		"the scheme said"},
	    {"/https:/example.com/x", KEY_PREFIX, 0, "https://example.com/x", "example.com", 443, NULL,
		"slashes collapsed on the way"},
	    {"/HTTP://example.com/", KEY_PREFIX, 0, "http://example.com/", "example.com", 80, NULL,
		"schemes have no case"},
	    {"/http://example.com:443/", KEY_PREFIX, 0, "http://example.com:443/", "example.com", 443, NULL,
		"http on 443 stays http"},
	    {"/a/b/../../../c", KEY_PREFIX, 0, "http://a/b/../../../c", "a", 80, NULL,
		"dot segments are no file, and stay on the host"},
	    {"/a/%2e%2e/c", KEY_PREFIX, 0, "http://a/%2e%2e/c", "a", 80, NULL, "escaped ones neither"},
	    {"/a/b%2Fc", KEY_PREFIX, 0, "http://a/b%2Fc", "a", 80, NULL, "an escaped slash"},
	    {"/a/b%00c", KEY_PREFIX, 0, "http://a/b%00c", "a", 80, NULL, "a NUL"},
	    {"/a/b%zz", KEY_PREFIX, 0, "http://a/b%zz", "a", 80, NULL, "does not decode"},
	    {"/a/b%20c%41", KEY_PREFIX, 0, "http://a/b%20c%41", "a", 80, "a/b cA", "decoded once"},
	    {"/a/b%2541", KEY_PREFIX, 0, "http://a/b%2541", "a", 80, "a/b%41", "and only once"},
	    {"/a/%c3%A9%4f", KEY_PREFIX, 0, "http://a/%c3%A9%4f", "a", 80, "a/\xc3\xa9O", "in both cases of hex"},
	    {"/a/b%2", KEY_PREFIX, 0, "http://a/b%2", "a", 80, NULL, "half an escape"},
	    {"/https%3A//example.com/a%3A", KEY_PREFIX, 0, "https://example.com/a%3A", "example.com", 443, NULL,
		"an escaped colon"},
	    {"/https%3a/example.com%3a8443/x", KEY_PREFIX, 0, "https://example.com:8443/x", "example.com", 8443, NULL,
		"two"},
	    {"/http%3A//example.com%3A8080?x=%3a", KEY_PREFIX, 0, "http://example.com:8080/?x=%3a", "example.com", 8080,
		NULL, "not in a query"},
	    {"/example.com%3A8080/x%3A1", KEY_PREFIX, 0, "http://example.com:8080/x%3A1", "example.com", 8080,
		"example.com:8080/x:1", "without a scheme"},
	    {"/[%3A%3A1]:80/x", KEY_PREFIX, 0, "http://[::1]/x", "[::1]", 80, "[::1]:80/x", "in an address"},
	    {"/%5B%3a%3A1%5d%3A81/x", KEY_PREFIX, 0, "http://[::1]:81/x", "[::1]", 81, "[::1]:81/x", "and brackets"},
	    {"/b\xc3\xbc"
	     "cher.example/\xc3\xbc",
		KEY_PREFIX, 0, "http://xn--bcher-kva.example/%C3%BC", "xn--bcher-kva.example", 80,
		"b\xc3\xbc"
		"cher.example/\xc3\xbc",
		"an internationalised name"},
	    {"/https%3A//b%C3%BCcher.example/", KEY_PREFIX, 0, "https://xn--bcher-kva.example/",
		"xn--bcher-kva.example", 443, NULL, "the same escaped"},
	    {"/ftp%3A//example.com/", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "another scheme, escaped"},
	    {"/https%3A%2F%2Fexample.com/", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "slashes are not meant"},
	    {"/u%3Ap@example.com/", KEY_PREFIX, 400, NULL, NULL, 0, "u:p@example.com/", "a user stays one"},
	    {"/example.com%3A99999/", KEY_PREFIX, 400, NULL, NULL, 0, "example.com:99999/", "a port too high"},
	    {"/.curlewx/y", KEY_PREFIX, 400, NULL, NULL, 0, ".curlewx/y", "not ours, and no host"},
	    {"/", KEY_PREFIX, 404, NULL, NULL, 0, "", "no host, but --root may have an index"},
	    {"/?x", KEY_PREFIX, 404, NULL, NULL, 0, "", "the same with a query"},
	    {"//example.com/", KEY_PREFIX, 404, NULL, NULL, 0, "/example.com/", "no host first"},
	    {"/a%20(1).html", KEY_PREFIX, 400, NULL, NULL, 0, "a (1).html", "no host, but it may be a file"},
	    {"/ftp://example.com/", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "another scheme"},
	    {"/file:/etc/passwd", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "files"},
	    {"/http:///example.com/", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "three slashes"},
	    {"/http://", KEY_PREFIX, 404, NULL, NULL, 0, NULL, "a scheme and no host"},
	    {"/example.com:/x", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "looks like a scheme"},
	    {"/example.com:", KEY_PREFIX, 400, NULL, NULL, 0, "example.com:", "an empty port"},
	    {"/u:p@example.com/", KEY_PREFIX, 400, NULL, NULL, 0, "u:p@example.com/", "a user"},
	    {"/https://u@example.com/", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "a user"},
	    {"/example.com/a\\b", KEY_PREFIX, 400, NULL, NULL, 0, "example.com/a\\b", "a backslash"},
	    {"/example.com/#x", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "a fragment"},
	    {"example.com/", KEY_PREFIX, 400, NULL, NULL, 0, NULL, "no form of a target"},
	};
	check_targets(&forward, "GET", rows, sizeof rows / sizeof *rows);
	static const struct key_settings secure = {.default_scheme = "https"};
	static const struct row secure_rows[] = {
	    {"/example.com/x", KEY_PREFIX, 0, "https://example.com/x", "example.com", 443, "example.com/x",
		"--default-scheme"},
	    {"/http:/example.com/x", KEY_PREFIX, 0, "http://example.com/x", "example.com", 80, NULL, "unless said"},
	};
	check_targets(&secure, "GET", secure_rows, sizeof secure_rows / sizeof *secure_rows);
}

static void curlews_own_pages_are_beneath_its_name(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"/.curlew", KEY_OWN, 0, NULL, NULL, 0, "", "no slash behind"},
	    {"/.curlew/", KEY_OWN, 0, NULL, NULL, 0, "/", "the status page"},
	    {"/.curlew/health?x=/y", KEY_OWN, 0, NULL, NULL, 0, "/health", "without its query"},
	};
	check_targets(&forward, "GET", rows, sizeof rows / sizeof *rows);
}

static void before_an_origin_only_health_is_curlews_own(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"/.curlew/health?x=/y", KEY_OWN, 0, NULL, NULL, 0, "/health", "for load balancers"},
	    {"/.curlew/", KEY_REVERSE, 0, "http://127.0.0.1:8080/.curlew/", "127.0.0.1", 8080, NULL,
		"the origin's path"},
	    {"/.curlew/metrics", KEY_REVERSE, 0, "http://127.0.0.1:8080/.curlew/metrics", "127.0.0.1", 8080, NULL,
		"also this one"},
	    {"/.curlew/health/", KEY_REVERSE, 0, "http://127.0.0.1:8080/.curlew/health/", "127.0.0.1", 8080, NULL,
		"another path"},
	};
	static const struct key_settings reverse = {.default_scheme = "http", .origin = "http://127.0.0.1:8080"};
	check_targets(&reverse, "GET", rows, sizeof rows / sizeof *rows);
}

static void an_absolute_target_is_the_url(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"http://Example.com/x?y", KEY_ABSOLUTE, 0, "http://example.com/x?y", "example.com", 80, NULL, "http"},
	    {"https://example.com:8443", KEY_ABSOLUTE, 0, "https://example.com:8443/", "example.com", 8443, NULL,
		"https without a path"},
	    {"http://example.com/.curlew/health", KEY_ABSOLUTE, 0, "http://example.com/.curlew/health", "example.com",
		80, NULL, "somebody else's"},
	    {"ftp://example.com/", KEY_ABSOLUTE, 400, NULL, NULL, 0, NULL, "another scheme"},
	    {"http://u:p@example.com/", KEY_ABSOLUTE, 400, NULL, NULL, 0, NULL, "a user"},
	    {"http:/example.com/", KEY_ABSOLUTE, 400, NULL, NULL, 0, NULL, "one slash"},
	    {"*", KEY_ABSOLUTE, 400, NULL, NULL, 0, NULL, "not forwarded"},
	    {"", KEY_ABSOLUTE, 400, NULL, NULL, 0, NULL, "empty"},
	};
	check_targets(&forward, "GET", rows, sizeof rows / sizeof *rows);
}

static void a_reverse_target_is_the_origins(void **state)
{
	(void)state;
	static const struct key_settings plain = {.default_scheme = "http", .origin = "http://127.0.0.1:8080"};
	static const struct row rows[] = {
	    {"/x?y", KEY_REVERSE, 0, "http://127.0.0.1:8080/x?y", "127.0.0.1", 8080, NULL, "a path"},
	    {"/", KEY_REVERSE, 0, "http://127.0.0.1:8080/", "127.0.0.1", 8080, NULL, "the root"},
	    {"//evil.example/x", KEY_REVERSE, 0, "http://127.0.0.1:8080//evil.example/x", "127.0.0.1", 8080, NULL,
		"two slashes are a path"},
	    {"/https://evil.example/", KEY_REVERSE, 0, "http://127.0.0.1:8080/https://evil.example/", "127.0.0.1", 8080,
		NULL, "a scheme is a path"},
	    {"http://shop.example/x?y", KEY_REVERSE, 0, "http://127.0.0.1:8080/x?y", "127.0.0.1", 8080, NULL,
		"absolute form means the same, RFC 9112 3.2.2"},
	    {"http://shop.example/.curlew/health", KEY_OWN, 0, NULL, NULL, 0, "/health", "also for our own pages"},
	    {"http://shop.example", KEY_REVERSE, 0, "http://127.0.0.1:8080/", "127.0.0.1", 8080, NULL,
		"absolute form without a path"},
	    {"/a\\b", KEY_REVERSE, 400, NULL, NULL, 0, NULL, "a backslash"},
	};
	check_targets(&plain, "GET", rows, sizeof rows / sizeof *rows);
	static const struct key_settings based = {.default_scheme = "http", .origin = "https://example.com/base"};
	static const struct row based_rows[] = {
	    {"/x?y", KEY_REVERSE, 0, "https://example.com/base/x?y", "example.com", 443, NULL,
		"beneath the origin's path"},
	    {"/y/../x", KEY_REVERSE, 0, "https://example.com/base/y/../x", "example.com", 443, NULL, "dots go along"},
	    {"/../x", KEY_REVERSE, 400, NULL, NULL, 0, NULL, "but do not lead out of it"},
	    {"/%2e%2e/x", KEY_REVERSE, 400, NULL, NULL, 0, NULL, "escaped ones neither"},
	    {"/y//../../x", KEY_REVERSE, 400, NULL, NULL, 0, NULL, "nor for origins that merge slashes"},
	};
	check_targets(&based, "GET", based_rows, sizeof based_rows / sizeof *based_rows);
}

static void a_tunnel_needs_host_and_port(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"Example.com:443", KEY_TUNNEL, 0, NULL, "example.com", 443, NULL, "the plain form"},
	    {"[::1]:8443", KEY_TUNNEL, 0, NULL, "[::1]", 8443, NULL, "IPv6"},
	    {"example.com:80", KEY_TUNNEL, 0, NULL, "example.com", 80, NULL, "80 is said too"},
	    {"example.com", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "no port"},
	    {"example.com:", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "an empty port"},
	    {"example.com:https", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "a name"},
	    {"example.com:0", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "port 0"},
	    {"example.com:65536", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "too high"},
	    {"example.com:443/", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "a path"},
	    {"example.com?x:443", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "a query"},
	    {"u@example.com:443", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "a user"},
	    {":443", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "no host"},
	    {"[::1]", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "IPv6 without a port"},
	    {"http://example.com:443", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "absolute form"},
	    {"/", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "origin form"},
	    {"", KEY_TUNNEL, 400, NULL, NULL, 0, NULL, "empty"},
	};
	check_targets(&forward, "CONNECT", rows, sizeof rows / sizeof *rows);
}

static void options_may_be_for_a_server_as_a_whole(void **state)
{
	(void)state;
	static const struct key_settings reverse = {.default_scheme = "http", .origin = "http://o:8080/base"};
	static const struct {
		const struct key_settings *settings;
		const char *method, *target;
		int form; /* -1: refused */
		bool asterisk;
		const char *url;
	} rows[] = {
	    {&forward, "OPTIONS", "*", KEY_SERVER, true, NULL},
	    {&reverse, "OPTIONS", "*", KEY_REVERSE, true, "http://o:8080/base/"},
	    {&forward, "OPTIONS", "http://a", KEY_ABSOLUTE, true, "http://a/"},
	    {&forward, "OPTIONS", "http://A:81", KEY_ABSOLUTE, true, "http://a:81/"},
	    {&forward, "OPTIONS", "http://a/", KEY_ABSOLUTE, false, "http://a/"},
	    {&forward, "OPTIONS", "http://a?x", KEY_ABSOLUTE, false, "http://a/?x"},
	    {&reverse, "OPTIONS", "http://shop.example", KEY_REVERSE, true, "http://o:8080/base/"},
	    {&forward, "OPTIONS", "/a", KEY_PREFIX, false, "http://a/"},
	    {&forward, "GET", "http://a", KEY_ABSOLUTE, false, "http://a/"},
	    {&forward, "GET", "*", -1, false, NULL},
	    {&reverse, "GET", "*", -1, false, NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct key_target t;
		struct fault fault = {0, NULL};
		int rc = key_of_target(rows[i].settings, span_of(rows[i].method), span_of(rows[i].target), &t, &fault);
		bool right = rows[i].form < 0 ? rc == -1 && fault.status == 400
					      : rc == 0 && (int)t.form == rows[i].form &&
						    t.asterisk == rows[i].asterisk && same(t.url, rows[i].url);
		if (!right)
			fail_msg("%s %s: %d, form %d, %d, %s", rows[i].method, rows[i].target, rc, t.form, t.asterisk,
			    shown(t.url));
		key_fini(&t);
	}
}

/* RFC 3986 5.4's examples, as far as they are http. */
static void references_resolve_as_in_the_rfc(void **state)
{
	(void)state;
	static const struct {
		const char *reference, *want;
	} rows[] = {
	    {"g", "http://a/b/c/g"},
	    {"./g", "http://a/b/c/g"},
	    {"g/", "http://a/b/c/g/"},
	    {"/g", "http://a/g"},
	    {"//g", "http://g/"},
	    {"?y", "http://a/b/c/d;p?y"},
	    {"g?y", "http://a/b/c/g?y"},
	    {"#s", "http://a/b/c/d;p?q"},
	    {"g#s", "http://a/b/c/g"},
	    {";x", "http://a/b/c/;x"},
	    {"", "http://a/b/c/d;p?q"},
	    {".", "http://a/b/c/"},
	    {"..", "http://a/b/"},
	    {"../g", "http://a/b/g"},
	    {"../../../g", "http://a/g"},
	    {"/./g", "http://a/g"},
	    {"g.", "http://a/b/c/g."},
	    {"..g", "http://a/b/c/..g"},
	    {"g;x=1/../y", "http://a/b/c/y"},
	    {"g?y/../x", "http://a/b/c/g?y/../x"},
	    {"https://h/x y", "https://h/x%20y"},
	    {"http:g", NULL},
	    {"mailto:x", NULL},
	    {"javascript:alert(1)", NULL},
	    {"//u@g/", NULL},
	    {"g\nh", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *got = key_resolve("http://a/b/c/d;p?q", span_of(rows[i].reference));
		if (!same(got, rows[i].want))
			fail_msg(
			    "3986 5.4: <%s> gave <%s>, not <%s>", rows[i].reference, shown(got), shown(rows[i].want));
		free(got);
	}
	char *bare = key_resolve("http://a", span_of("g"));
	assert_string_equal(bare, "http://a/g");
	free(bare);
}

static void origins_are_compared_by_scheme_host_and_port(void **state)
{
	(void)state;
	assert_true(key_same_origin("http://a/x", "http://A:80/y?z"));
	assert_false(key_same_origin("http://a/", "https://a/"));
	assert_false(key_same_origin("http://a/", "http://a:8080/"));
	assert_false(key_same_origin("http://a/", "http://b/"));
	assert_false(key_same_origin("rubbish:", "rubbish:"));
}

static void a_prefix_location_stays_with_us(void **state)
{
	(void)state;
	static const struct {
		const char *scheme, *location, *want, *reason;
	} rows[] = {
	    {"http", "http://b/x?y#z", "/b/x?y#z", "the default scheme is not said"},
	    {"http", "https://b/x", "/https://b/x", "another is"},
	    {"https", "https://b:8443/x", "/b:8443/x", "https by default, with a port"},
	    {"https", "http://b/x", "/http://b/x", "then http is said"},
	    {"http", "/y", "/a/y", "a path"},
	    {"http", "y?q", "/a/d/y?q", "a relative path"},
	    {"http", "//b", "/b/", "a host"},
	    {"http", "#frag", "/a/d/x#frag", "a fragment"},
	    {"http", "mailto:x@y", NULL, "what is not fetched stays"},
	    {"http", "http://u@b/", NULL, "as does a user"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *got = location_for_prefix(rows[i].scheme, "http://a/d/x", span_of(rows[i].location));
		if (rows[i].scheme[4] == 's') {
			/* The base is https there, so that relative ones are of the default scheme.
			 */
			free(got);
			got = location_for_prefix(rows[i].scheme, "https://a/d/x", span_of(rows[i].location));
		}
		if (!same(got, rows[i].want))
			fail_msg("%s: gave <%s>, not <%s>: %s", rows[i].location, shown(got), shown(rows[i].want),
			    rows[i].reason);
		free(got);
	}
}

static void a_reverse_location_at_the_origin_becomes_ours(void **state)
{
	(void)state;
	static const struct {
		const char *origin, *location, *want, *reason;
	} rows[] = {
	    {"http://o:8080", "http://o:8080/x?y#z", "/x?y#z", "the origin itself"},
	    {"http://o:8080", "x", "/d/x", "a relative one"},
	    {"http://o:8080", "http://o/x", NULL, "another port"},
	    {"http://o:8080", "https://o:8080/x", NULL, "another scheme"},
	    {"http://o:8080", "https://shop.example/x", NULL, "the site's own name"},
	    {"http://o:8080/base", "/base/x", "/x", "beneath the origin's path"},
	    {"http://o:8080/base", "/base", "/", "that path itself"},
	    {"http://o:8080/base", "/base?x#y", "/?x#y", "with a query"},
	    {"http://o:8080/base", "http://o:8080/base", "/", "written absolutely"},
	    {"http://o:8080/base/", "http://o:8080/base", "/", "with a slash at the end"},
	    {"http://o:8080/base", "/base//evil/x", "/.//evil/x", "a path, not a host"},
	    {"http://o:8080", "http://o:8080//evil/x", "/.//evil/x", "the same without a base"},
	    {"http://o:8080", "http://o:8080///evil/x", "/.///evil/x", "three slashes"},
	    {"http://o:8080", "http://o:8080/.//evil/x", "/.//evil/x", "dots are removed before"},
	    {"http://o:8080", "//o:8080//evil", "/.//evil", "a host reference"},
	    {"http://o:8080", "http://o:8080", "/", "an empty path"},
	    {"http://o:8080", "http://o:8080?x", "/?x", "an empty path with a query"},
	    {"http://o:8080", "/a%2fb?s=%7e", "/a%2fb?s=%7e", "as it was written"},
	    {"http://o:8080/base", "/other", NULL, "beside it"},
	    {"http://o:8080/base", "/else/x", NULL, "beside it, as long"},
	    {"http://o:8080/base", "/baseball", NULL, "only nearly beneath it"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *got = location_for_reverse(rows[i].origin, "http://o:8080/d/e", span_of(rows[i].location));
		if (!same(got, rows[i].want))
			fail_msg("%s: gave <%s>, not <%s>: %s", rows[i].location, shown(got), shown(rows[i].want),
			    rows[i].reason);
		free(got);
	}
}

/* The variant text of a response to a request; NULL when it never matches. */
static char *variant_of(const char *response_fields, const char *request_fields)
{
	struct head request, response;
	struct buf out;
	message_init(&request);
	message_init(&response);
	buf_init(&out, BUF_VARY);
	assert_int_equal(message_parse_fields(&request, span_of(request_fields)), 0);
	assert_int_equal(message_parse_fields(&response, span_of(response_fields)), 0);
	char *text = vary_text(&response, &request, &out) == 0 ? buf_take(&out) : NULL;
	if (text != NULL)
		assert_true(vary_matches(text, &request));
	buf_fini(&out);
	message_fini(&request);
	message_fini(&response);
	return text;
}

static void a_variant_text_is_normalised(void **state)
{
	(void)state;
	static const struct {
		const char *section, *response, *request, *want, *reason;
	} rows[] = {
	    {"9111 4.1", "", "Foo: 1\n", "", "no Vary"},
	    {"9111 4.1", "Vary:\n", "Foo: 1\n", "", "an empty one"},
	    {"9111 4.1", "Vary: Foo\n", "Foo: 1\n", "foo: 1", "one name"},
	    {"9111 4.1", "Vary: Foo\n", "", "foo", "a field that is not there"},
	    {"9111 4.1", "Vary: Foo\n", "Foo:\n", "foo: ", "is not an empty one"},
	    {"9111 4.1", "Vary: foo, Bar\nVary: FOO\n", "Foo: 1\nBar: 2\n", "bar: 2\nfoo: 1", "sorted and each once"},
	    {"9111 4.1", "Vary: c, a, b\n", "A: 1\nB: 2\nC: 3\n", "a: 1\nb: 2\nc: 3", "three"},
	    {"9110 5.3", "Vary: Foo\n", "Foo: 1,2\nFoo:  3 \n", "foo: 1,2, 3", "lines joined"},
	    {"9111 4.1", "Vary: Foo\n", "Foo:  a,b\t\n", "foo: a,b", "white space around a value"},
	    {"9111 4.1", "Vary: Foo\n", "Foo: a , b\n", "foo: a , b", "white space within it may mean something"},
	    {"9111 4.1", "Vary: Foo\n", "Foo: ,,a,\n", "foo: ,,a,", "as may an empty member"},
	    {"9111 4.1", "Vary: User-Agent\n", "User-Agent: x (a,b)\n", "user-agent: x (a,b)", "no list"},
	    {"9111 4.1", "Vary: Cookie\n", "Cookie: a=1,2; b=3\n", "cookie: a=1,2; b=3", "no comma list"},
	    {"9110 5.6.1", "Vary: Prefer\n", "Prefer: a,,b\nPrefer:  \"x,y\" , c\n", "prefer: a, b, \"x,y\", c",
		"a list"},
	    {"9111 4.1", "Vary: *\n", "", NULL, "never matches"},
	    {"9111 4.1", "Vary: , *\n", "", NULL, "also in a list"},
	    {"9111 4.1", "Vary: Foo\nVary: *\n", "", NULL, "and in a later line"},
	    {"9111 4.1", "Vary: no name\n", "", NULL, "nor does what is no name"},
	    {"9110 12.5.3", "Vary: Accept-Encoding\n", "Accept-Encoding: GZIP, deflate;q=0.50, br\n",
		"accept-encoding: br, gzip, deflate;q=0.5", "by weight, then name"},
	    {"9110 12.5.3", "Vary: Accept-Encoding\n",
		"Accept-Encoding: br;q=1.0, gzip ; q=1.000\nAccept-Encoding: br\n", "accept-encoding: br, gzip",
		"q=1 is none, each once"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: a;q=0, b;q=0.001, c;q=0.120\n",
		"accept-encoding: c;q=0.12, b;q=0.001, a;q=0", "weights in thousandths"},
	    {"9110 12.5.4", "Vary: Accept-Language\n", "Accept-Language: en-GB, de , *;q=0.1\n",
		"accept-language: de, en-gb, *;q=0.1", "languages"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: gzip;q=2, br\n",
		"accept-encoding: gzip;q=2, br", "what is no weight is left alone"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: b;q=0.x, a\n", "accept-encoding: b;q=0.x, a",
		"no digit"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: b;q=0:5, a\n", "accept-encoding: b;q=0:5, a",
		"no dot"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: b;q=, a\n", "accept-encoding: b;q=, a",
		"no weight"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: b;q=1.001, a\n",
		"accept-encoding: b;q=1.001, a", "more than 1"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: b;q=0.1234, a\n",
		"accept-encoding: b;q=0.1234, a", "too many digits"},
	    {"9110 12.4.2", "Vary: Accept-Encoding\n", "Accept-Encoding: gzip;x=1, br\n",
		"accept-encoding: gzip;x=1, br", "as are other parameters"},
	    {"9110 12.5.1", "Vary: Accept\n", "Accept: text/html,a/b\n", "accept: text/html, a/b",
		"Accept keeps its order"},
	    {"9110 5.6.4", "Vary: Foo\n", "Foo: \"1,2\", 3\n", "foo: \"1,2\", 3", "a quoted comma is none"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *got = variant_of(rows[i].response, rows[i].request);
		if (!same(got, rows[i].want))
			fail_msg("%s: gave <%s>, not <%s>: %s", rows[i].section, shown(got), shown(rows[i].want),
			    rows[i].reason);
		free(got);
	}
}

static void a_request_matches_only_the_variant_it_would_make(void **state)
{
	(void)state;
	static const struct {
		const char *variant, *request;
		bool matches;
		const char *reason;
	} rows[] = {
	    {"", "Foo: 1\n", true, "no variants"},
	    {"foo: 1", "FOO: 1\n", true, "names have no case"},
	    {"foo: 1", "Foo: 2\n", false, "another value"},
	    {"foo: 1", "", false, "no field"},
	    {"foo", "", true, "no field then, no field now"},
	    {"foo", "Foo: 1\n", false, "no field then"},
	    {"foo", "Foo:\n", false, "an empty field is one"},
	    {"bar: 2\nfoo: 1", "Foo: 1\nBar: 2\n", true, "two"},
	    {"bar: 2\nfoo: 1", "Foo: 1\nBar: 3\n", false, "the first differs"},
	    {"bar: 2\nfoo: 1", "Foo: 2\nBar: 2\n", false, "the second differs"},
	    {"foo: 1, 2", "Foo: 1\nFoo: 2\n", true, "lines joined"},
	    {"foo: 1, 2", "Foo: 2, 1\n", false, "order of what we do not know counts"},
	    {"foo: a", "Foo: A\n", false, "as does its case"},
	    {"accept-language: de, en", "Accept-Language: eN ,   De\n", true, "but not of languages"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct head request;
		message_init(&request);
		assert_int_equal(message_parse_fields(&request, span_of(rows[i].request)), 0);
		bool matches = vary_matches(rows[i].variant, &request);
		message_fini(&request);
		if (matches != rows[i].matches)
			fail_msg("9111 4.1: <%s> and <%s>: %s", rows[i].variant, rows[i].request, rows[i].reason);
	}
}

static void a_variant_that_is_as_good_suits(void **state)
{
	(void)state;
	static const struct {
		const char *variant, *response, *request;
		bool suits;
		const char *reason;
	} rows[] = {
	    {"accept-language: en, de", "Content-Language: de\n", "Accept-Language: fr;q=0.5, de\n", true, "the best"},
	    {"accept-language: en, de", "Content-Language: DE\n", "Accept-Language: de\n", true, "names have no case"},
	    {"accept-language: en, de", "Content-Language: de\n", "Accept-Language: de, fr\n", false,
		"one of two bests"},
	    {"accept-language: en, de", "Content-Language: de\n", "Accept-Language: fr, de;q=0.9\n", false,
		"second best"},
	    {"accept-language: en, de", "Content-Language: de\n", "Accept-Language: de;q=0\n", false,
		"not wanted at all"},
	    {"accept-language: en, de", "Content-Language: de\n", "", false, "no preference"},
	    {"accept-language: en, de", "", "Accept-Language: de\n", false, "it does not say its language"},
	    {"accept-language: en, de", "Content-Language: de, en\n", "Accept-Language: de\n", false,
		"in two languages"},
	    {"accept-language: en, de", "Content-Language: de\n", "Accept-Language: de-AT\n", false,
		"a range is not its prefix"},
	    {"accept-language: en, de\nfoo: 1", "Content-Language: de\n", "Accept-Language: de\nFoo: 2\n", false,
		"the other fields must still match"},

	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: gzip, deflate, br\n", true,
		"as good as the others"},
	    {"accept-encoding: br, gzip", "Content-Encoding: gzip\n", "Accept-Encoding: gzip\n", true,
		"the one it has"},
	    {"accept-encoding: gzip", "Content-Encoding: x-gzip\n", "Accept-Encoding: gzip, br\n", true,
		"another name of it"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: x-gzip\n", true,
		"the other way round"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: br, gzip;q=0.5\n", false,
		"second best"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: br\n", false, "not among them"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: gzip;q=0\n", false,
		"not wanted at all"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: *\n", false, "not by name"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "Accept-Encoding: identity\n", false,
		"plain is wanted"},
	    {"accept-encoding: gzip", "Content-Encoding: gzip\n", "", false, "who says nothing gets nothing coded"},
	    {"accept-encoding: br, gzip", "Content-Encoding: gzip, br\n", "Accept-Encoding: gzip\n", false,
		"twice coded"},
	    {"accept-encoding: identity", "", "", true, "plain, as who says nothing would get it"},
	    {"accept-encoding", "", "Accept-Encoding: identity\n", true, "the other way round"},
	    {"accept-encoding", "", "Accept-Encoding:\n", true, "an empty list is plain"},
	    {"accept-encoding: br, gzip", "", "Accept-Encoding: gzip\n", true, "plain in spite of more choices"},
	    {"accept-encoding: br, gzip", "", "", true, "and of any"},
	    {"accept-encoding", "", "Accept-Encoding: gzip\n", false, "it might be coded for this one"},
	    {"accept-encoding: gzip", "", "Accept-Encoding: gzip, br\n", false, "one choice more"},
	    {"accept-encoding: gzip;q=0", "", "Accept-Encoding: gzip\n", false, "it was none then"},
	    {"accept-encoding: gzip", "", "Accept-Encoding: identity;q=0\n", false, "plain is forbidden"},
	    {"accept-encoding: gzip", "", "Accept-Encoding: gzip, *;q=0\n", false, "in another way"},
	    {"accept-encoding: gzip", "", "Accept-Encoding: gzip;q=x\n", false, "no preferences"},
	    {"accept-encoding: br, gzip\nfoo: 1", "", "Accept-Encoding: gzip\nFoo: 2\n", false,
		"the other fields must still match"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct head request, response;
		message_init(&request);
		message_init(&response);
		assert_int_equal(message_parse_fields(&request, span_of(rows[i].request)), 0);
		assert_int_equal(message_parse_fields(&response, span_of(rows[i].response)), 0);
		bool suits = vary_suits(rows[i].variant, &response, &request);
		message_fini(&request);
		message_fini(&response);
		if (suits != rows[i].suits)
			fail_msg("9111 4.1: <%s> in <%s> and <%s>: %s", rows[i].variant, rows[i].response,
			    rows[i].request, rows[i].reason);
	}
}

static void a_variant_beyond_the_ceiling_is_never_made(void **state)
{
	(void)state;
	struct head request, response;
	struct buf out, fields;
	message_init(&request);
	message_init(&response);
	buf_init(&out, 64);
	buf_init(&fields, BUF_HEAD);
	buf_adds(&fields, "Foo: ");
	for (int i = 0; i < 100; i++)
		buf_addc(&fields, 'x');
	assert_int_equal(message_parse_fields(&request, buf_span(&fields)), 0);
	assert_int_equal(message_parse_fields(&response, span_of("Vary: Foo\n")), 0);
	assert_int_equal(vary_text(&response, &request, &out), -1);
	struct buf many;
	buf_init(&many, BUF_HEAD);
	buf_adds(&many, "Vary: ");
	for (int i = 0; i < 1000; i++)
		buf_addf(&many, "n%d,", i);
	assert_int_equal(message_parse_fields(&response, buf_span(&many)), 0);
	assert_int_equal(vary_text(&response, &request, &out), -1);
	buf_fini(&many);
	buf_fini(&fields);
	buf_fini(&out);
	message_fini(&request);
	message_fini(&response);
}

/* --- the short way for usual targets --- */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

/* Pieces that targets are made of: most are usual ones, and each exception is there. */
static void make_target(uint32_t *state, char *out, size_t size)
{
	static const char *const pieces[] = {"a", "b", "z", "0", "9", "1", "255", "256", ".", ".", "-", "/", "/", "/",
	    ":", ":80", ":443", ":8080", ":0", ":65535", ":65536", ":080", "_", "~", "..", "//", "/.", "/..", "xn--",
	    "--", "%41", "%3A", "%2f", "?", "q=1", "@", "[::1]", "A", "\\", "127.0.0.1", "10.1", "01.2.3.4", "0x7f",
	    "example.com", "localhost", "http:/", "https://", ".curlew", "!", "\x7f", "\xc3\xa4",
	    "a2345678901234567890123456789012345678901234567890"};
	size_t count = 1 + next_random(state) % 6, n = 1;
	strcpy(out, "/");
	for (size_t i = 0; i < count; i++) {
		const char *piece = pieces[next_random(state) % (sizeof pieces / sizeof *pieces)];
		n += (size_t)snprintf(out + n, size - n, "%s", piece);
	}
	if (next_random(state) % 2 == 0)
		snprintf(out + n, size - n, "/p-%u.x", next_random(state) % 100);
}

static void check_same(const struct key_settings *settings, const char *target, const char *other)
{
	struct key_target t, u;
	struct fault fault, other_fault;
	int result = key_of_target(settings, span_of("GET"), span_of(target), &t, &fault);
	int other_result = key_of_target(settings, span_of("GET"), span_of(other), &u, &other_fault);
	bool right = result == other_result;
	if (right && result != 0)
		right = fault.status == other_fault.status;
	if (right && result == 0)
		right = t.form == u.form && same(t.url, u.url) && same(t.host, u.host) && t.port == u.port &&
			t.secure == u.secure && t.asterisk == u.asterisk && (t.path == NULL) == (u.path == NULL) &&
			(t.path == NULL || strcasecmp(t.path, u.path) == 0);
	if (!right)
		fail_msg(
		    "%s (%d, %s) is not %s (%d, %s)", target, result, shown(t.url), other, other_result, shown(u.url));
	key_fini(&t);
	key_fini(&u);
}

/* The same target, written so that only the complete way reads it: a capital letter in the host, or absolute form. */
static void usual_targets_have_the_key_of_the_complete_way(void **state)
{
	(void)state;
	static const struct key_settings secure = {.default_scheme = "https"};
	static const struct key_settings origins[] = {{"http", "http://127.0.0.1:8080", false},
	    {"http", "https://shop.example", false}, {"http", "http://shop.example:80", true},
	    {"http", "HTTP://Shop.example", false}, {"http", "http://shop.example/base", false}};
	uint32_t random = 1;
	for (int i = 0; i < 30000; i++) {
		char target[512], other[600];
		make_target(&random, target, sizeof target);
		strcpy(other, target);
		size_t host = strcspn(target + 1, "/?") + 1, letter = 1;
		while (letter < host && (other[letter] < 'a' || other[letter] > 'z'))
			letter++;
		/* "/.curlew" is ours in lower case only, and escapes are read with either case. */
		if (letter < host && target[1] != '.' && strchr(target, '%') == NULL) {
			other[letter] = (char)(other[letter] - 'a' + 'A');
			check_same(&forward, target, other);
			check_same(&secure, target, other);
		}
		snprintf(other, sizeof other, "http://any.example%s", target);
		for (size_t k = 0; k < sizeof origins / sizeof *origins; k++)
			check_same(&origins[k], target, other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(usual_targets_have_the_key_of_the_complete_way),
	    cmocka_unit_test(a_url_has_one_spelling),
	    cmocka_unit_test(a_key_is_what_the_client_wrote_and_has_one_normal_url),
	    cmocka_unit_test(what_is_not_fetched_has_no_url),
	    cmocka_unit_test(a_prefix_target_names_host_and_path),
	    cmocka_unit_test(curlews_own_pages_are_beneath_its_name),
	    cmocka_unit_test(before_an_origin_only_health_is_curlews_own),
	    cmocka_unit_test(an_absolute_target_is_the_url),
	    cmocka_unit_test(a_reverse_target_is_the_origins),
	    cmocka_unit_test(a_tunnel_needs_host_and_port),
	    cmocka_unit_test(options_may_be_for_a_server_as_a_whole),
	    cmocka_unit_test(references_resolve_as_in_the_rfc),
	    cmocka_unit_test(origins_are_compared_by_scheme_host_and_port),
	    cmocka_unit_test(a_prefix_location_stays_with_us),
	    cmocka_unit_test(a_reverse_location_at_the_origin_becomes_ours),
	    cmocka_unit_test(a_variant_text_is_normalised),
	    cmocka_unit_test(a_request_matches_only_the_variant_it_would_make),
	    cmocka_unit_test(a_variant_that_is_as_good_suits),
	    cmocka_unit_test(a_variant_beyond_the_ceiling_is_never_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
