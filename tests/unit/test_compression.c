/* Which responses get compressed copies (RFC 9110 8.4, 12.5.3), which copy a request gets, and the fields of one. */
#include "http/compression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ALL = (1 << COMPRESSIONS) - 1, GZIP = 1 << COMPRESSION_GZIP, ZSTD = 1 << COMPRESSION_ZSTD };

static struct head head;

static void read_head(const char *fields)
{
	assert_int_equal(message_parse_fields(&head, span_of(fields)), 0);
	head.status = 200;
}

static void text_of_a_kib_has_copies(void **state)
{
	(void)state;
	static const struct {
		const char *fields;
		int64_t bytes;
		bool suits;
	} table[] = {
	    {"Content-Type: text/html; charset=utf-8\n", 1024, true},
	    {"Content-Type: text/plain\n", -1, true},
	    {"Content-Type: TEXT/CSS\n", 5000, true},
	    {"Content-Type: application/json\n", 5000, true},
	    {"Content-Type: application/ld+json\n", 5000, true},
	    {"Content-Type: application/javascript\n", 5000, true},
	    {"Content-Type: text/javascript\n", 5000, true},
	    {"Content-Type: application/xml\n", 5000, true},
	    {"Content-Type: application/atom+xml\n", 5000, true},
	    {"Content-Type: image/svg+xml\n", 5000, true},
	    {"Content-Type: application/wasm\n", 5000, true},
	    {"Content-Type: text/html\nContent-Encoding: identity\n", 5000, true},
	    {"Content-Type: text/html\n", 1023, false},
	    {"Content-Type: text/event-stream\n", 5000, false},
	    {"Content-Type: image/png\n", 5000, false},
	    {"Content-Type: application/octet-stream\n", 5000, false},
	    {"Content-Type: application/jsonp\n", 5000, false},
	    {"A: b\n", 5000, false},
	    {"Content-Type: text/html\nContent-Encoding: gzip\n", 5000, false},
	    {"Content-Type: text/html\nCache-Control: max-age=60, no-transform\n", 5000, false},
	    {"Content-Type: text/html\nContent-Range: bytes 0-1/2\n", 5000, false},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		read_head(table[i].fields);
		if (compression_suits(&head, table[i].bytes) != table[i].suits)
			fail_msg("%s%d", table[i].fields, (int)table[i].bytes);
	}
	read_head("Content-Type: text/html\n");
	head.status = 206;
	assert_false(compression_suits(&head, 5000));
}

static void a_request_gets_the_known_coding_it_prefers(void **state)
{
	(void)state;
	static const struct {
		const char *fields;
		unsigned known;
		enum compression chosen;
	} table[] = {
	    {"", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding:\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: gzip\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: x-gzip\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: GZIP\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: deflate\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: gzip, deflate, br, zstd\n", ALL, COMPRESSION_BROTLI},
	    {"Accept-Encoding: gzip, deflate, br, zstd\n", GZIP, COMPRESSION_GZIP},
	    {"Accept-Encoding: gzip, zstd\n", ALL, COMPRESSION_ZSTD},
	    {"Accept-Encoding: gzip\nAccept-Encoding: br\n", ALL, COMPRESSION_BROTLI},
	    {"Accept-Encoding: gzip\n", ZSTD, COMPRESSION_NONE},
	    {"Accept-Encoding: gzip;q=1, br;q=0.5\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: gzip;q=0.5\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: gzip;q=0\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: *\n", ALL, COMPRESSION_BROTLI},
	    {"Accept-Encoding: *, br;q=0\n", ALL, COMPRESSION_ZSTD},
	    {"Accept-Encoding: *;q=0, gzip\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: *;q=0\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: identity\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: identity, gzip;q=0.5\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: identity;q=0.1, gzip;q=0.5\n", ALL, COMPRESSION_GZIP},
	    {"Accept-Encoding: gzip;q=2\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: gzip\nRange: bytes=0-9\n", ALL, COMPRESSION_NONE},
	    {"Accept-Encoding: gzip\nCache-Control: no-transform\n", ALL, COMPRESSION_NONE},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		read_head(table[i].fields);
		enum compression chosen = compression_choose(&head, table[i].known);
		if (chosen != table[i].chosen)
			fail_msg("%s%s", table[i].fields, compression_name(chosen));
	}
}

static void a_copy_has_a_weak_tag_and_nothing_about_the_bytes_of_its_original(void **state)
{
	(void)state;
	static const struct {
		const char *fields, *copy;
	} table[] = {
	    {"Content-Type: text/html\nETag: \"1\"\n",
		"Content-Type: text/html\nETag: W/\"1\"\nContent-Encoding: gzip\nVary: Accept-Encoding\n"},
	    {"ETag: W/\"1\"\nAccept-Ranges: bytes\nDate: x\n",
		"ETag: W/\"1\"\nDate: x\nContent-Encoding: gzip\nVary: Accept-Encoding\n"},
	    {"Content-Digest: a\nRepr-Digest: b\nDigest: c\nContent-MD5: d\nA: b\n",
		"A: b\nContent-Encoding: gzip\nVary: Accept-Encoding\n"},
	    {"Vary: Origin\n", "Vary: Origin\nContent-Encoding: gzip\nVary: Accept-Encoding\n"},
	    {"Vary: Origin, accept-encoding\n", "Vary: Origin, accept-encoding\nContent-Encoding: gzip\n"},
	    {"Content-Encoding: identity\n", "Content-Encoding: gzip\nVary: Accept-Encoding\n"},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct buf out;
		buf_init(&out, BUF_HEAD);
		read_head(table[i].fields);
		assert_int_equal(compression_fields(&head, COMPRESSION_GZIP, &out), 0);
		assert_string_equal(buf_str(&out), table[i].copy);
		assert_int_equal(message_parse_fields(&head, buf_span(&out)), 0);
		assert_int_equal(compression_of(&head), COMPRESSION_GZIP);
		buf_fini(&out);
	}
}

static int free_head(void **state)
{
	(void)state;
	message_fini(&head);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_of_a_kib_has_copies),
	    cmocka_unit_test(a_request_gets_the_known_coding_it_prefers),
	    cmocka_unit_test(a_copy_has_a_weak_tag_and_nothing_about_the_bytes_of_its_original),
	};
	return cmocka_run_group_tests(tests, NULL, free_head);
}
