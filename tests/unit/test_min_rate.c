/* Which connections are cut when threads are short. */
#include "net/min_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LEAST = 500 };

/* Looks once a second, from the first round on; each look is {what it waits for, bytes since the look before}. The last
 * rate. */
struct look {
	unsigned waits;
	int64_t bytes;
};
static int64_t rate_after(const struct look *looks, size_t count)
{
	struct min_rate_meter m = {0};
	int64_t bytes = 1 << 20, rate = MIN_RATE_UNKNOWN;
	for (size_t i = 0; i < count; i++) {
		bytes += looks[i].bytes;
		rate = min_rate_measure(&m, (int64_t)i + 1, looks[i].waits, bytes, 1000 * (int64_t)i, LEAST);
	}
	return rate;
}

static void a_rate_is_known_once_bytes_have_been_due_for_the_whole_window(void **state)
{
	(void)state;
	enum { B = MIN_RATE_BODY, R = MIN_RATE_CLIENT, O = MIN_RATE_ORIGIN, S = MIN_RATE_STREAM };
	static const struct {
		const char *what;
		struct look looks[16];
		size_t count;
		int64_t rate;
	} table[] = {
	    {"a byte in five seconds", {{B, 0}, {B, 0}, {B, 0}, {B, 1}, {B, 0}, {B, 0}}, 6, 0},
	    {"not long enough", {{B, 0}, {B, 0}, {B, 0}, {B, 0}, {B, 0}}, 5, MIN_RATE_UNKNOWN},
	    {"fast", {{R, 0}, {R, 1000}, {R, 1000}, {R, 1000}, {R, 1000}, {R, 1000}}, 6, 1000},
	    {"what was fast is counted again from there",
		{{R, 0}, {R, 1000}, {R, 1000}, {R, 1000}, {R, 1000}, {R, 1000}, {R, 0}}, 7, MIN_RATE_UNKNOWN},
	    {"what was fast and stopped",
		{{R, 0}, {R, 99999}, {R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 0}}, 11, 0},
	    {"what was slow is known to be from look to look", {{R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 0}, {R, 5}, {R, 1}},
		7, 1},
	    {"from one wait to another", {{B, 0}, {B, 0}, {R, 0}, {O, 0}, {O, 0}, {B, 0}}, 6, 0},
	    {"in between nothing was due", {{B, 0}, {B, 0}, {0, 0}, {B, 0}, {B, 0}, {B, 0}}, 6, MIN_RATE_UNKNOWN},
	    {"nothing is due", {{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}, 6, MIN_RATE_UNKNOWN},
	    {"a stream that a reader does not take", {{S, 0}, {S, 0}, {S, 0}, {S | R, 0}, {S | R, 0}, {S | R, 0}}, 6,
		MIN_RATE_UNKNOWN},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (rate_after(table[i].looks, table[i].count) != table[i].rate)
			fail_msg("%s: %d", table[i].what, (int)rate_after(table[i].looks, table[i].count));
}

static void a_quiet_time_between_two_looks_starts_the_count_again(void **state)
{
	(void)state;
	struct min_rate_meter m = {0};
	assert_int_equal(min_rate_measure(&m, 1, MIN_RATE_CLIENT, 0, 0, LEAST), MIN_RATE_UNKNOWN);
	/* Paused for an hour while there were threads enough, and nobody looked. */
	assert_int_equal(min_rate_measure(&m, 3600, MIN_RATE_CLIENT, 0, 3600000, LEAST), MIN_RATE_UNKNOWN);
	assert_int_equal(min_rate_measure(&m, 3601, MIN_RATE_CLIENT, 0, 3601000, LEAST), MIN_RATE_UNKNOWN);
}

/* d: bytes are due, s: a stream. The rate of each is the digit after it. */
static size_t parse(const char *text, struct min_rate_slow *slow)
{
	size_t n = 0;
	for (; *text != '\0'; text += 2)
		slow[n++] = (struct min_rate_slow){.rate = text[1] - '0', .stream = text[0] == 's'};
	return n;
}

static void the_slowest_are_cut_and_no_more_than_it_takes(void **state)
{
	(void)state;
	static const struct {
		struct min_rate_load load;
		const char *slow, *cut;
	} table[] = {
	    /* a quiet server cuts nobody */
	    {{1, 8, 0}, "d0", ""},
	    {{4, 8, 0}, "d0d0d0d0", ""},
	    /* more than half are busy: back to half */
	    {{5, 8, 0}, "d0d0d0d0d0", "d0"},
	    {{5, 8, 0}, "d3d1d2", "d1"},
	    {{7, 8, 0}, "d4d0d3d1", "d0d1d3"},
	    {{7, 8, 0}, "d4", "d4"},
	    {{7, 8, 0}, "", ""},
	    {{8, 8, 100}, "d1d2d3d4d5d6", "d1d2d3d4"},
	    /* streams survive as long as a thread is free, nobody waits, or something else can be cut */
	    {{7, 8, 0}, "s0s1", ""},
	    {{8, 8, 0}, "s0s1", ""},
	    {{8, 8, 2}, "s0d1d2d3d4", "d1d2d3d4"},
	    {{8, 8, 1}, "s0d1", "d1"},
	    {{8, 8, 2}, "s5s0d1", "d1s0"},
	    {{8, 8, 1}, "s5s0", "s0"},
	    {{8, 8, 9}, "s5s0", "s0s5"},
	    /* a pool of one is never half free */
	    {{1, 1, 0}, "d0", "d0"},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct min_rate_slow slow[8], want[8];
		size_t n = parse(table[i].slow, slow), wanted = parse(table[i].cut, want);
		size_t cut = min_rate_choose(&table[i].load, slow, n);
		if (cut != wanted)
			fail_msg("row %zu: %zu are cut", i, cut);
		for (size_t k = 0; k < cut; k++)
			assert_int_equal(min_rate_compare(&slow[k], &want[k]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_rate_is_known_once_bytes_have_been_due_for_the_whole_window),
	    cmocka_unit_test(a_quiet_time_between_two_looks_starts_the_count_again),
	    cmocka_unit_test(the_slowest_are_cut_and_no_more_than_it_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
