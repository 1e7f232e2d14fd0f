/* The values of --listen and --admin-listen. */
#include "net/listen_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void every_form_is_read_into_its_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *value, *first, *second, *port;
	} table[] = {
	    {"8899", "127.0.0.1", "::1", "8899"},
	    {"0", "127.0.0.1", "::1", "0"},
	    {":8899", "0.0.0.0", "::", "8899"},
	    {"*:8899", "0.0.0.0", "::", "8899"},
	    {"[::]:8899", "0.0.0.0", "::", "8899"},
	    {"localhost:8899", "127.0.0.1", "::1", "8899"},
	    {"LocalHost:8899", "127.0.0.1", "::1", "8899"},
	    {"127.0.0.1:8899", "127.0.0.1", "", "8899"},
	    {"0.0.0.0:80", "0.0.0.0", "", "80"},
	    {"[::1]:8899", "::1", "", "8899"},
	    {"[fe80::1%eth0]:65535", "fe80::1%eth0", "", "65535"},
	    {"proxy.example:8899", "proxy.example", "", "8899"},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct listen_address a;
		const char *fault = listen_address_parse(table[i].value, &a);
		if (fault != NULL || strcmp(a.hosts[0], table[i].first) != 0 ||
		    strcmp(a.hosts[1], table[i].second) != 0 || strcmp(a.port, table[i].port) != 0 || a.path[0] != '\0')
			fail_msg("%s: %s, %s %s %s", table[i].value, fault, a.hosts[0], a.hosts[1], a.port);
	}
}

static void a_path_has_the_mode_that_is_given_or_0660(void **state)
{
	(void)state;
	static const struct {
		const char *value, *path;
		mode_t mode;
	} table[] = {
	    {"unix:/run/curlew.sock", "/run/curlew.sock", 0660},
	    {"unix:/run/curlew.sock,mode=0666", "/run/curlew.sock", 0666},
	    {"unix:curlew.sock,mode=600", "curlew.sock", 0600},
	    {"unix:/run/a:8899", "/run/a:8899", 0660},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct listen_address a;
		const char *fault = listen_address_parse(table[i].value, &a);
		if (fault != NULL || strcmp(a.path, table[i].path) != 0 || a.mode != table[i].mode)
			fail_msg("%s: %s, %s %o", table[i].value, fault, a.path, (unsigned)a.mode);
	}
}

static void everything_else_is_refused(void **state)
{
	(void)state;
	char long_path[200] = "unix:/", long_host[400] = "";
	memset(long_path + 6, 'x', sizeof long_path - 7);
	memset(long_host, 'h', 300);
	strcpy(long_host + 300, ":80");
	const char *const table[] = {"", "nonsense", "65536", "88990", "-1", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", ":", "unix:", "unix:,mode=0660", "unix:/x,",
	    "unix:/x,mode=", "unix:/x,mode=0888", "unix:/x,mode=1777", "unix:/x,mode=06600", "unix:/x,mode=rw",
	    "unix:/x,tls", "unix:/x,mode=0660,mode=0666", long_path, long_host};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct listen_address a;
		if (listen_address_parse(table[i], &a) == NULL)
			fail_msg("accepted: %s", table[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_form_is_read_into_its_addresses),
	    cmocka_unit_test(a_path_has_the_mode_that_is_given_or_0660),
	    cmocka_unit_test(everything_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
