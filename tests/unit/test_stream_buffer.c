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

static void what_was_added_is_read_in_order_across_pieces(void **state)
{
	(void)state;
	struct stream_buffer w = {0};
	char page[1000];
	for (int i = 0; i < 300; i++) {
		memset(page, i % 251, sizeof page);
		assert_int_equal(stream_buffer_add(&w, page, sizeof page, -1), 0);
	}
	int64_t at = 0;
	while (at < w.end) {
		struct segment *piece = NULL;
		struct span s = stream_buffer_peek(&w, at, &piece);
		assert_true(s.len > 0);
		for (size_t i = 0; i < s.len; i++)
			assert_int_equal((unsigned char)s.at[i], ((at + (int64_t)i) / 1000) % 251);
		at += (int64_t)s.len;
		segment_drop(piece);
	}
	assert_int_equal(at, 300000);
	stream_buffer_fini(&w);
}

static void a_held_piece_outlives_the_window(void **state)
{
	(void)state;
	struct stream_buffer w = {0};
	struct segment *piece = NULL;
	stream_buffer_add(&w, "hello", 5, 5);
	struct span s = stream_buffer_peek(&w, 1, &piece);
	stream_buffer_fini(&w);
	assert_true(span_is(s, "ello"));
	segment_drop(piece);
}

static void forgetting_frees_whole_pieces_only(void **state)
{
	(void)state;
	struct stream_buffer w = {0};
	struct segment *piece = NULL;
	char *page = calloc(1, 64 << 10);
	for (int i = 0; i < 4; i++)
		stream_buffer_add(&w, page, 64 << 10, -1);
	stream_buffer_forget(&w, (64 << 10) + 1);
	assert_int_equal(w.start, 64 << 10);
	assert_int_equal(stream_buffer_peek(&w, 0, &piece).len, 0);
	assert_true(stream_buffer_peek(&w, 64 << 10, &piece).len > 0);
	segment_drop(piece);
	stream_buffer_forget(&w, w.end);
	assert_int_equal(w.start, w.end);
	assert_int_equal(stream_buffer_add(&w, "x", 1, -1), 0);
	assert_int_equal(stream_buffer_peek(&w, w.start, &piece).len, 1);
	segment_drop(piece);
	stream_buffer_fini(&w);
	free(page);
}

static void nothing_is_found_at_or_beyond_the_end(void **state)
{
	(void)state;
	struct stream_buffer w = {0};
	struct segment *piece = NULL;
	assert_int_equal(stream_buffer_peek(&w, 0, &piece).len, 0);
	stream_buffer_add(&w, "abc", 3, 3);
	assert_int_equal(stream_buffer_peek(&w, 3, &piece).len, 0);
	assert_int_equal(stream_buffer_peek(&w, -1, &piece).len, 0);
	stream_buffer_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_added_is_read_in_order_across_pieces),
	    cmocka_unit_test(a_held_piece_outlives_the_window),
	    cmocka_unit_test(forgetting_frees_whole_pieces_only),
	    cmocka_unit_test(nothing_is_found_at_or_beyond_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
