#include "verbs/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_line_is_never_wider_than_the_terminal(void **state)
{
	(void)state;
	static const int64_t sizes[] = {-1, 0, 1, 1 << 20, (int64_t)5 << 30, INT64_MAX};
	char line[256];
	for (int columns = 0; columns < 120; columns++)
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
			for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
				progress_line(line, sizeof line, columns, sizes[i] < 0 ? 0 : sizes[i], sizes[k], 0.001);
				assert_true((int)strlen(line) <= columns);
			}
}

static void the_bar_gives_way_to_the_figures(void **state)
{
	(void)state;
	static const struct {
		int columns;
		const char *line, *reason;
	} cases[] = {
	    {81, "####################                      50 %  5.0 MiB of 10.0 MiB  2.5 MiB/s",
		"room for the whole bar"},
	    {54, "########          50 %  5.0 MiB of 10.0 MiB  2.5 MiB/s", "a shorter one"},
	    {40, " 50 %  5.0 MiB of 10.0 MiB  2.5 MiB/s", "none"},
	    {20, " 50 %  5.0 MiB of 10", "the figures are cut"},
	};
	char line[256];
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(
		    progress_line(line, sizeof line, cases[i].columns, 5 << 20, 10 << 20, 2), cases[i].line);
	assert_string_equal(progress_line(line, sizeof line, 79, 5 << 20, -1, 2), "5.0 MiB  2.5 MiB/s");
	assert_string_equal(progress_line(line, sizeof line, 30, 92, 2048, 1), "  4 %  92 B of 2.0 KiB  92 B/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_is_never_wider_than_the_terminal),
	    cmocka_unit_test(the_bar_gives_way_to_the_figures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
