/* The chunked coding (RFC 9112 7.1), whole and in pieces. */
#include "http/chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Decodes input in pieces of n bytes. Returns the last step; content, and what is left behind the
 * end. */
static enum chunked_step decode(
    const char *input, size_t len, size_t n, struct buf *content, struct buf *trailers, size_t *left)
{
	struct chunked c;
	enum chunked_step step = CHUNKED_MORE;
	chunked_init(&c);
	buf_clear(content);
	for (size_t at = 0; at < len && step == CHUNKED_MORE;) {
		struct span in = span_make(input + at, len - at < n ? len - at : n), data;
		at += in.len;
		while ((step = chunked_next(&c, &in, &data)) == CHUNKED_DATA)
			buf_addspan(content, data);
		*left = len - at + in.len;
	}
	buf_clear(trailers);
	buf_addspan(trailers, buf_span(&c.trailers));
	chunked_fini(&c);
	return step;
}

static const struct {
	const char *section, *input;
	enum chunked_step step;
	const char *content, *trailers;
	size_t left;
	const char *reason;
} rows[] = {
    {"9112 7.1", "5\r\nhello\r\n0\r\n\r\n", CHUNKED_END, "hello", "", 0, "one chunk"},
    {"9112 7.1", "0\r\n\r\n", CHUNKED_END, "", "", 0, "none"},
    {"9112 7.1", "000\r\n\r\n", CHUNKED_END, "", "", 0, "a last chunk of many noughts"},
    {"9112 7.1", "1\r\na\r\n0A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", CHUNKED_END, "a01234567890123456789", "",
	0, "hex in both cases"},
    {"9112 7.1", "2\r\n\r\n\r\n0\r\n\r\n", CHUNKED_END, "\r\n", "", 0, "line ends as content"},
    {"9112 7.1", "0\r\n\r\nGET /", CHUNKED_END, "", "", 5, "what follows is not ours"},
    {"9112 7.1.1", "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", CHUNKED_END, "hello", "", 0, "extensions are skipped"},
    {"9112 7.1.1", "5 \t;a\r\nhello\r\n0  \r\n\r\n", CHUNKED_END, "hello", "", 0, "padding"},
    {"9112 7.1.2", "0\r\nA: 1\r\nB: 2\r\n\r\n", CHUNKED_END, "", "A: 1\r\nB: 2\r\n", 0, "trailers are kept"},
    {"9112 7.1", "5\r\nhel", CHUNKED_MORE, "hel", "", 0, "cut in the data"},
    {"9112 7.1", "5\r\nhello\r\n0\r\n", CHUNKED_MORE, "hello", "", 0, "the empty line misses"},
    {"9112 7.1", "\r\n", CHUNKED_BAD, "", "", 0, "no size"},
    {"9112 7.1", ";a\r\n", CHUNKED_BAD, "", "", 0, "an extension without a size"},
    {"9112 7.1", "g\r\n", CHUNKED_BAD, "", "", 0, "no hex"},
    {"9112 7.1", "-1\r\n", CHUNKED_BAD, "", "", 0, "a sign"},
    {"9112 7.1", "0x5\r\nhello\r\n", CHUNKED_BAD, "", "", 0, "a prefix"},
    {"9112 7.1", " 5\r\nhello\r\n", CHUNKED_BAD, "", "", 0, "padding before"},
    {"9112 7.1", "5 5\r\nhello\r\n", CHUNKED_BAD, "", "", 0, "two sizes"},
    {"9112 7.1", "5\nhello\n0\n\n", CHUNKED_BAD, "", "", 0, "bare LF"},
    {"9112 7.1", "5\rhello\r\n", CHUNKED_BAD, "", "", 0, "bare CR"},
    {"9112 7.1", "5\r\nhelloX\r\n", CHUNKED_BAD, "hello", "", 0, "more data than said"},
    {"9112 7.1", "5\r\nhello\n0\r\n\r\n", CHUNKED_BAD, "hello", "", 0, "bare LF behind the data"},
    {"9112 7.1.1", "5;a\nb\r\nhello\r\n", CHUNKED_BAD, "", "", 0, "bare LF in an extension"},
    {"9112 7.1", "0000000000000005\r\nhello", CHUNKED_BAD, "", "", 0, "16 digits"},
    {"9112 7.1", "fffffffffffffff\r\n", CHUNKED_MORE, "", "", 0, "15 digits always fit"},
    {"9112 5.2", "0\r\nA: 1\r\n b\r\n\r\n", CHUNKED_BAD, "", NULL, 0, "a folded trailer"},
    {"9112 7.1.2", "0\r\nA: 1\n\r\n", CHUNKED_BAD, "", NULL, 0, "bare LF in a trailer"},
};

/* In pieces of every size, so that each byte is once the last that has come. */
static void pieces_of_any_size_decode_the_same(void **state)
{
	(void)state;
	struct buf content, trailers;
	buf_init(&content, BUF_PAGE);
	buf_init(&trailers, BUF_PAGE);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t len = strlen(rows[i].input);
		for (size_t n = 1; n <= len; n++) {
			size_t left = 0;
			enum chunked_step step = decode(rows[i].input, len, n, &content, &trailers, &left);
			if (step != rows[i].step || strcmp(buf_str(&content), rows[i].content) != 0 ||
			    (step == CHUNKED_END && left != rows[i].left) ||
			    (rows[i].trailers != NULL && strcmp(buf_str(&trailers), rows[i].trailers) != 0))
				fail_msg("%s: row %zu in pieces of %zu gave %d <%s>: %s", rows[i].section, i, n, step,
				    buf_str(&content), rows[i].reason);
		}
	}
	buf_fini(&content);
	buf_fini(&trailers);
}

static void extensions_and_trailers_have_a_ceiling(void **state)
{
	(void)state;
	struct buf input, content, trailers;
	size_t left;
	buf_init(&input, BUF_PAGE);
	buf_init(&content, BUF_PAGE);
	buf_init(&trailers, BUF_PAGE);
	for (int i = 0; i < 3000; i++)
		buf_adds(&input, "1;0123456789\r\na\r\n");
	assert_int_equal(decode(input.data, input.len, 4096, &content, &trailers, &left), CHUNKED_BAD);
	buf_clear(&input);
	buf_adds(&input, "0\r\n");
	for (int i = 0; i < 3000; i++)
		buf_adds(&input, "Name: value\r\n");
	assert_int_equal(decode(input.data, input.len, 4096, &content, &trailers, &left), CHUNKED_BAD);
	buf_fini(&input);
	buf_fini(&content);
	buf_fini(&trailers);
}

static void after_the_end_nothing_more_is_read(void **state)
{
	(void)state;
	struct chunked c;
	struct span in = span_of("0\r\n\r\n5\r\nhello\r\n"), data;
	chunked_init(&c);
	assert_int_equal(chunked_next(&c, &in, &data), CHUNKED_END);
	assert_int_equal(chunked_next(&c, &in, &data), CHUNKED_END);
	assert_int_equal(in.len, strlen("5\r\nhello\r\n"));
	chunked_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_of_any_size_decode_the_same),
	    cmocka_unit_test(extensions_and_trailers_have_a_ceiling),
	    cmocka_unit_test(after_the_end_nothing_more_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
