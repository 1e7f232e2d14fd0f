/* Growable bytes: the ceiling, the failure that sticks, the NUL that is always there. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_buf_never_grows_beyond_its_ceiling(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10);
	assert_int_equal(buf_add(&b, "0123456789", 10), 0);
	assert_int_equal(buf_addc(&b, 'x'), -1);
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "0123456789");
	buf_fini(&b);
}

static void a_failure_sticks_until_the_buf_is_cleared(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	assert_int_equal(buf_adds(&b, "12345"), -1);
	assert_int_equal(buf_adds(&b, "1"), -1);
	buf_clear(&b);
	assert_int_equal(buf_adds(&b, "1234"), 0);
	assert_string_equal(buf_str(&b), "1234");
	buf_fini(&b);
}

static void an_empty_buf_is_an_empty_string(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 4);
	assert_string_equal(buf_str(&b), "");
	char *taken = buf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	buf_fini(&b);
}

static void consuming_keeps_the_rest(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	buf_addf(&b, "%s-%d", "abc", 42);
	buf_consume(&b, 4);
	assert_string_equal(buf_str(&b), "42");
	buf_consume(&b, 2);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void what_is_taken_is_the_callers(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	for (int i = 0; i < 300; i++)
		buf_addc(&b, 'y');
	char *taken = buf_take(&b);
	assert_int_equal(strlen(taken), 300);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.ceiling, 1000);
	free(taken);
	buf_fini(&b);
}

static void room_is_claimed_only_by_saying_so(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 8);
	char *room = buf_room(&b, 8);
	assert_non_null(room);
	memcpy(room, "12345678", 8);
	assert_int_equal(b.len, 0);
	buf_grew(&b, 3);
	assert_string_equal(buf_str(&b), "123");
	assert_null(buf_room(&b, 6));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_buf_never_grows_beyond_its_ceiling),
	    cmocka_unit_test(a_failure_sticks_until_the_buf_is_cleared),
	    cmocka_unit_test(an_empty_buf_is_an_empty_string),
	    cmocka_unit_test(consuming_keeps_the_rest),
	    cmocka_unit_test(what_is_taken_is_the_callers),
	    cmocka_unit_test(room_is_claimed_only_by_saying_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
