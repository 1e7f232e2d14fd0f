/* The part of a body that is in memory. */
#include "fetch/stream_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_was_added_is_read_in_order_across_segments(void **state)
{
	(void)state;
	struct stream_buffer b = {0};
	char page[1000];
	for (int i = 0; i < 300; i++) {
		memset(page, i % 251, sizeof page);
		assert_int_equal(stream_buffer_add(&b, page, sizeof page, -1), 0);
	}
	int64_t at = 0;
	while (at < b.end) {
		struct stream_buffer_segment *segment = NULL;
		struct span s = stream_buffer_peek(&b, at, &segment);
		assert_true(s.len > 0);
		for (size_t i = 0; i < s.len; i++)
			assert_int_equal((unsigned char)s.at[i], ((at + (int64_t)i) / 1000) % 251);
		at += (int64_t)s.len;
		stream_buffer_drop(segment);
	}
	assert_int_equal(at, 300000);
	stream_buffer_fini(&b);
}

static void a_held_segment_outlives_the_buffer(void **state)
{
	(void)state;
	struct stream_buffer b = {0};
	struct stream_buffer_segment *segment = NULL;
	stream_buffer_add(&b, "hello", 5, 5);
	struct span s = stream_buffer_peek(&b, 1, &segment);
	stream_buffer_fini(&b);
	assert_true(span_is(s, "ello"));
	stream_buffer_drop(segment);
}

static void forgetting_frees_whole_segments_only(void **state)
{
	(void)state;
	struct stream_buffer b = {0};
	struct stream_buffer_segment *segment = NULL;
	char *page = calloc(1, 64 << 10);
	for (int i = 0; i < 4; i++)
		stream_buffer_add(&b, page, 64 << 10, -1);
	stream_buffer_forget(&b, (64 << 10) + 1);
	assert_int_equal(b.start, 64 << 10);
	assert_int_equal(stream_buffer_peek(&b, 0, &segment).len, 0);
	assert_true(stream_buffer_peek(&b, 64 << 10, &segment).len > 0);
	stream_buffer_drop(segment);
	stream_buffer_forget(&b, b.end);
	assert_int_equal(b.start, b.end);
	assert_int_equal(stream_buffer_add(&b, "x", 1, -1), 0);
	assert_int_equal(stream_buffer_peek(&b, b.start, &segment).len, 1);
	stream_buffer_drop(segment);
	stream_buffer_fini(&b);
	free(page);
}

static void nothing_is_found_at_or_beyond_the_end(void **state)
{
	(void)state;
	struct stream_buffer b = {0};
	struct stream_buffer_segment *segment = NULL;
	assert_int_equal(stream_buffer_peek(&b, 0, &segment).len, 0);
	stream_buffer_add(&b, "abc", 3, 3);
	assert_int_equal(stream_buffer_peek(&b, 3, &segment).len, 0);
	assert_int_equal(stream_buffer_peek(&b, -1, &segment).len, 0);
	stream_buffer_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_added_is_read_in_order_across_segments),
	    cmocka_unit_test(a_held_segment_outlives_the_buffer),
	    cmocka_unit_test(forgetting_frees_whole_segments_only),
	    cmocka_unit_test(nothing_is_found_at_or_beyond_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
