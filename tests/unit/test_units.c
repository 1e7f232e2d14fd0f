/* Quantities as people write them, and what is none. */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes; /* -1: refused */
	} rows[] = {{"0", 0}, {"512", 512}, {"1k", 1024}, {"1K", 1024}, {"1.5M", 1572864},
	    {"2GiB", INT64_C(2147483648)}, {"2GB", INT64_C(2147483648)}, {"1T", INT64_C(1099511627776)}, {"", -1},
	    {"-1", -1}, {"+1", -1}, {"1X", -1}, {"1MM", -1}, {" 1", -1}, {"inf", -1}, {"nan", -1}, {"9999999999T", -1},
	    {"M", -1}, {"0x10", -1}, {"1e3", -1}, {"1.M", 1048576}, {"1.2.3", -1}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t bytes = -2;
		int rc = units_bytes(rows[i].text, &bytes);
		assert_int_equal(rc, rows[i].bytes < 0 ? -1 : 0);
		if (rc == 0)
			assert_int_equal(bytes, rows[i].bytes);
	}
}

static void times_have_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {{"0", 0}, {"90", -1}, {"90s", 90}, {"90 s", 90}, {"45m", 2700}, {"45 min", 2700}, {"12h", 43200},
	    {"30d", 2592000}, {"2w", 1209600}, {"1y", 31536000}, {"0.5h", 1800}, {"", -1}, {"d", -1}, {"-1d", -1},
	    {"1 month", -1}, {"1dd", -1}, {"99999999999y", -1}, {"0x1d", -1}, {"1e3s", -1}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		double seconds = -2;
		int rc = units_span(rows[i].text, &seconds);
		assert_int_equal(rc, rows[i].seconds < 0 ? -1 : 0);
		if (rc == 0)
			assert_int_equal((int64_t)seconds, rows[i].seconds);
	}
	double seconds;
	assert_int_equal(units_seconds("2.5s", &seconds), 0);
	assert_true(seconds == 2.5);
	assert_int_equal(units_seconds("2m", &seconds), -1);
	assert_int_equal(units_seconds("1e9", &seconds), -1);
	assert_int_equal(units_seconds("0x10", &seconds), -1);
	assert_int_equal(units_seconds(".5", &seconds), 0);
}

static void a_share_is_of_the_disk_or_bytes(void **state)
{
	(void)state;
	int64_t bytes = 0;
	double percent = -1;
	assert_int_equal(units_share("5%", &bytes, &percent), 0);
	assert_true(percent == 5);
	assert_int_equal(units_share("2G", &bytes, &percent), 0);
	assert_true(percent == 0 && bytes == INT64_C(2147483648));
	assert_int_equal(units_share("101%", &bytes, &percent), -1);
	assert_int_equal(units_share("0x5%", &bytes, &percent), -1);
	assert_int_equal(units_share("nan%", &bytes, &percent), -1);
	assert_int_equal(units_share("-5%", &bytes, &percent), -1);
}

static void counts_and_flags(void **state)
{
	(void)state;
	int64_t n = 0;
	bool flag = false;
	assert_int_equal(units_count("100000", &n), 0);
	assert_int_equal(n, 100000);
	assert_int_equal(units_count("1e5", &n), -1);
	assert_int_equal(units_count("99999999999999999999", &n), -1);
	assert_int_equal(units_flag("YES", &flag), 0);
	assert_true(flag);
	assert_int_equal(units_flag("off", &flag), 0);
	assert_false(flag);
	assert_int_equal(units_flag("perhaps", &flag), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_are_powers_of_1024),
	    cmocka_unit_test(times_have_units),
	    cmocka_unit_test(a_share_is_of_the_disk_or_bytes),
	    cmocka_unit_test(counts_and_flags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
