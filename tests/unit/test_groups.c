/* The groups that a message names. */
#include "http/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void groups_are_read_from_four_fields(void **state)
{
	(void)state;
	static const struct {
		const char *section, *fields, *groups;
		enum groups_read read;
	} rows[] = {
	    {"9875 2", "Cache-Groups: \"a\", \"b c\"\n", "a\nb c\n", GROUPS_ALL},
	    {"9875 2", "Cache-Groups: \"a\"\ncache-groups: \"b\";x=1\n", "a\nb\n", GROUPS_ALL},
	    {"8941 3.3.3", "Cache-Groups: \"a\\\"b\\\\\"\n", "a\"b\\\n", GROUPS_ALL},
	    {"9651 3", "Cache-Groups: \"a\", b\n", "", GROUPS_ALL},
	    {"9651 3", "Cache-Groups: \"a\", (\"b\")\n", "", GROUPS_ALL},
	    {"9651 4.2", "Cache-Groups: \"a\",\n", "", GROUPS_ALL},
	    {"9651 4.2", "Cache-Groups: \"a\"\nCache-Groups: \"b\n", "", GROUPS_ALL},
	    {"blanks", "Surrogate-Key:  a\t b,c \n", "a\nb,c\n", GROUPS_ALL},
	    {"commas", "Cache-Tag: a b ,, c\n", "a b\nc\n", GROUPS_ALL},
	    {"blanks and commas", "xkey: a, b c\nxkey: d\n", "a\nb\nc\nd\n", GROUPS_ALL},
	    {"none", "Cache-Control: max-age=1\n", "", GROUPS_NONE},
	    {"empty", "xkey:\n", "", GROUPS_ALL},
	    {"not ASCII", "xkey: a \xc3\xa4 b\n", "a\nb\n\n", GROUPS_INCOMPLETE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct head h;
		struct buf out;
		message_init(&h);
		buf_init(&out, BUF_LINE);
		assert_int_equal(message_parse_fields(&h, span_of(rows[i].fields)), 0);
		enum groups_read read = groups_read(&h, &out);
		if (read != rows[i].read || strcmp(buf_str(&out), rows[i].groups) != 0)
			fail_msg("%s: %s gave %d <%s>", rows[i].section, rows[i].fields, (int)read, buf_str(&out));
		buf_fini(&out);
		message_fini(&h);
	}
}

static void more_groups_than_are_kept_count_as_all(void **state)
{
	(void)state;
	struct head h;
	struct buf text, out;
	message_init(&h);
	buf_init(&text, BUF_HEAD);
	buf_init(&out, BUF_HEAD);
	buf_adds(&text, "xkey:");
	for (int i = 0; i <= GROUPS_MOST; i++)
		buf_addf(&text, " t%d", i);
	assert_int_equal(message_parse_fields(&h, buf_span(&text)), 0);
	assert_int_equal(groups_read(&h, &out), GROUPS_INCOMPLETE);
	assert_true(groups_meet(buf_str(&out), "another\n"));
	message_fini(&h);
	buf_fini(&text);
	buf_fini(&out);
}

static void lists_meet_in_a_whole_name(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool meet;
	} rows[] = {{"a\nb\n", "b\n", true}, {"a\n", "A\n", false}, {"ab\n", "a\n", false}, {"", "a\n", false},
	    {NULL, "a\n", false}, {"a\n", NULL, false}, {"a\n\n", "b\n", true}, {"a\n", "b\n\n", true}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(groups_meet(rows[i].a, rows[i].b), rows[i].meet);
	assert_true(groups_fields_meet("Vary: x\nxkey: a b\n", "b\n"));
	assert_false(groups_fields_meet("Vary: b\n", "b\n"));
}

static void a_group_is_written_as_a_string(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, BUF_LINE);
	assert_int_equal(groups_write(&out, "a\"b\\ c"), 0);
	assert_string_equal(buf_str(&out), "\"a\\\"b\\\\ c\"");
	assert_int_equal(groups_write(&out, "\xc3\xa4"), -1);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(groups_are_read_from_four_fields),
	    cmocka_unit_test(more_groups_than_are_kept_count_as_all),
	    cmocka_unit_test(lists_meet_in_a_whole_name),
	    cmocka_unit_test(a_group_is_written_as_a_string),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
