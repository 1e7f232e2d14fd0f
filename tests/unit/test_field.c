/* What stands inside field values: lists, directives, seconds, entity tags, and the dictionaries of
 * RFC 8941. */
#include "http/field.h"
#include "http/structured.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void a_list_is_parted_at_commas_outside_quotes(void **state)
{
	(void)state;
	static const struct {
		const char *section, *value, *members, *reason;
	} rows[] = {
	    {"9110 5.6.1", "a, b ,c", "a|b|c|", "white space around members"},
	    {"9110 5.6.1.2", ",, a,\t,b,,", "a|b|", "empty members are skipped"},
	    {"9110 5.6.1.2", " , ", "", "nothing but empty members"},
	    {"9110 5.6.1", "", "", "an empty list"},
	    {"9110 5.6.4", "x=\"a,b\", c", "x=\"a,b\"|c|", "a comma in a quoted string"},
	    {"9110 5.6.4", "x=\"a\\\",b\", c", "x=\"a\\\",b\"|c|", "an escaped quote"},
	    {"9110 5.6.4", "a, x=\"b, c", "a|x=\"b, c|", "a quote never closed takes the rest"},
	    {"9110 5.6.4", "x=\"a\\", "x=\"a\\|", "an escape at the end"},
	    {"9110 8.8.3", "\"a,b\", W/\"c\"", "\"a,b\"|W/\"c\"|", "entity tags hold commas"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char got[128] = "";
		struct span rest = span_of(rows[i].value), member;
		while (field_next(&rest, &member))
			snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s|", (int)member.len, member.at);
		if (strcmp(got, rows[i].members) != 0)
			fail_msg("%s: <%s> gave <%s>, not <%s>: %s", rows[i].section, rows[i].value, got,
			    rows[i].members, rows[i].reason);
	}
}

static void a_directive_is_split_into_name_and_argument(void **state)
{
	(void)state;
	static const struct {
		const char *section, *member, *name, *value, *reason;
	} rows[] = {
	    {"9111 5.2", "no-store", "no-store", NULL, "no argument"},
	    {"9111 5.2", "max-age=60", "max-age", "60", "a token"},
	    {"9111 5.2", "max-age=\"60\"", "max-age", "60", "a quoted string"},
	    {"9111 5.2", "max-age=", "max-age", "", "an empty argument is one"},
	    {"9111 5.2", "private=\"a, b\"", "private", "a, b", "field names"},
	    {"9110 5.6.4", "x=\"a\\\"b\"", "x", "a\\\"b", "escapes stay"},
	    {"9111 5.2", "max-age= 60", "max-age", " 60", "white space makes it no number"},
	    {"9111 5.2", "max-age =60", "max-age", " =60", "also before the equals sign"},
	    {"9110 5.6.4", "x=\"a", "x", "\"a", "an open quote is handed on raw"},
	    {"9110 5.6.4", "x=\"a\"b", "x", "\"a\"b", "as is what stands behind the string"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span name, value;
		field_directive(span_of(rows[i].member), &name, &value);
		bool same =
		    span_is(name, rows[i].name) &&
		    (rows[i].value == NULL ? value.at == NULL : value.at != NULL && span_is(value, rows[i].value));
		if (!same)
			fail_msg("%s: <%s> gave <%.*s> <%.*s>: %s", rows[i].section, rows[i].member, (int)name.len,
			    name.at, (int)value.len, value.at, rows[i].reason);
	}
}

static void seconds_are_digits_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *section, *text;
		int64_t seconds;
		const char *reason;
	} rows[] = {
	    {"9111 1.2.2", "0", 0, "nought"},
	    {"9111 1.2.2", "003600", 3600, "leading noughts"},
	    {"9111 1.2.2", "2147483647", 2147483647, "2^31 - 1"},
	    {"9111 1.2.2", "2147483648", 2147483648, "2^31"},
	    {"9111 1.2.2", "2147483649", 2147483648, "beyond is 2^31"},
	    {"9111 1.2.2", "99999999999999999999999999", 2147483648, "far beyond too"},
	    {"9111 1.2.2", "", -1, "empty"},
	    {"9111 1.2.2", "-1", -1, "negative"},
	    {"9111 1.2.2", "+1", -1, "a sign"},
	    {"9111 1.2.2", "1.0", -1, "a fraction"},
	    {"9111 1.2.2", "60a", -1, "a letter behind"},
	    {"9111 1.2.2", " 60", -1, "a space before"},
	    {"9111 1.2.2", "'60'", -1, "single quotes are no quotes"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (field_seconds(span_of(rows[i].text)) != rows[i].seconds)
			fail_msg("%s: <%s>: %s", rows[i].section, rows[i].text, rows[i].reason);
	assert_int_equal(field_seconds(span_make(NULL, 0)), -1);
}

static void entity_tags_compare_weakly_and_strongly(void **state)
{
	(void)state;
	static const struct {
		const char *section, *a, *b;
		bool weak, strong;
		const char *reason;
	} rows[] = {
	    {"9110 8.8.3.2", "W/\"1\"", "W/\"1\"", true, false, "two weak ones are never strong"},
	    {"9110 8.8.3.2", "W/\"1\"", "W/\"2\"", false, false, "different"},
	    {"9110 8.8.3.2", "W/\"1\"", "\"1\"", true, false, "one weak"},
	    {"9110 8.8.3.2", "\"1\"", "\"1\"", true, true, "both strong"},
	    {"9110 8.8.3", "\"a\"", "\"A\"", false, false, "case counts"},
	    {"9110 8.8.3", "w/\"1\"", "W/\"1\"", false, false, "the weakness flag has a case"},
	    {"9110 8.8.3", "\"\"", "\"\"", true, true, "an empty tag is one"},
	    {"9110 8.8.3", "\"caf\xc3\xa9\"", "\"caf\xc3\xa9\"", true, true, "obs-text"},
	    {"9110 8.8.3", "1", "1", false, false, "no quotes, no tag"},
	    {"9110 8.8.3", "\"a b\"", "\"a b\"", false, false, "no spaces in a tag"},
	    {"9110 8.8.3", "\"a", "\"a", false, false, "an open tag"},
	    {"9110 8.8.3", "a\"", "a\"", false, false, "one that never opened"},
	    {"9110 8.8.3", "W/", "W/", false, false, "weak, and nothing"},
	    {"9110 8.8.3", "\"", "\"", false, false, "one quote"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span a = span_of(rows[i].a), b = span_of(rows[i].b);
		if (field_tags_match_weak(a, b) != rows[i].weak || field_tags_match_strong(a, b) != rows[i].strong)
			fail_msg("%s: %s %s: %s", rows[i].section, rows[i].a, rows[i].b, rows[i].reason);
	}
}

/* A dictionary as "key:kind=value " words, "BAD" at the first error. */
static void render(const char *value, char *out, size_t size)
{
	static const char kinds[] = "bidstxl";
	struct span rest = span_of(value);
	struct structured_member m;
	enum structured_step step;
	out[0] = '\0';
	while ((step = structured_next(&rest, &m)) == STRUCTURED_MEMBER) {
		char *end = out + strlen(out);
		size_t room = size - strlen(out);
		if (m.kind == STRUCTURED_INTEGER)
			snprintf(end, room, "%.*s:i=%lld ", (int)m.key.len, m.key.at, (long long)m.integer);
		else if (m.kind == STRUCTURED_BOOLEAN)
			snprintf(end, room, "%.*s:b=%d ", (int)m.key.len, m.key.at, m.boolean);
		else
			snprintf(end, room, "%.*s:%c=%.*s ", (int)m.key.len, m.key.at, kinds[m.kind], (int)m.text.len,
			    m.text.at);
	}
	if (step == STRUCTURED_BAD)
		snprintf(out + strlen(out), size - strlen(out), "BAD");
}

static void a_dictionary_is_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *section, *value, *want, *reason;
	} rows[] = {
	    {"8941 3.2", "", "", "empty"},
	    {"8941 3.2", "max-age=60, no-store", "max-age:i=60 no-store:b=1 ", "two members"},
	    {"8941 3.2", "a=?0 \t, b=?1", "a:b=0 b:b=1 ", "tabs and spaces around commas"},
	    {"8941 3.2", "a=1;x;y=2, b;z=\"q\"", "a:i=1 b:b=1 ", "parameters are left out"},
	    {"8941 3.2", "a=(1 \"b\";c d), e=f", "a:l= e:t=f ", "an inner list"},
	    {"8941 3.3.1", "a=-5", "a:i=-5 ", "negative"},
	    {"8941 3.3.1", "a=999999999999999", "a:i=999999999999999 ", "15 digits"},
	    {"8941 3.3.1", "a=1000000000000000", "BAD", "16 digits"},
	    {"8941 3.3.2", "a=1.5", "a:d= ", "a decimal"},
	    {"8941 3.3.2", "a=1.", "BAD", "no fraction"},
	    {"8941 3.3.2", "a=1.2345", "BAD", "four digits of fraction"},
	    {"8941 3.3.3", "a=\"x\\\"y\"", "a:s=x\\\"y ", "an escape"},
	    {"8941 3.3.3", "a=\"x\\y\"", "BAD", "an escape of what needs none"},
	    {"8941 3.3.3", "a=\"x", "BAD", "an open string"},
	    {"8941 3.3.3", "a=\"caf\xc3\xa9\"", "BAD", "beyond ASCII"},
	    {"8941 3.3.4", "a=*b/c:d", "a:t=*b/c:d ", "a token"},
	    {"8941 3.3.5", "a=:aGk=:", "a:x=aGk= ", "bytes"},
	    {"8941 3.3.5", "a=:aGk=", "BAD", "open bytes"},
	    {"8941 3.3.6", "a=?2", "BAD", "no boolean"},
	    {"8941 4.2.2", "a,", "a:b=1 BAD", "a comma at the end"},
	    {"8941 4.2.2", "a b", "BAD", "no comma between"},
	    {"8941 4.2.2", "a =1", "BAD", "a space before the equals sign"},
	    {"8941 4.2.2", "a= 1", "BAD", "a space behind it"},
	    {"8941 4.2.3.3", "A=1", "BAD", "a capital in a key"},
	    {"8941 4.2.2", "a=1, &&&&&", "a:i=1 BAD", "rubbish"},
	    {"8941 4.2.1.2", "a=(1,2)", "BAD", "commas in an inner list"},
	    {"8941 4.2.1.2", "a=(1", "BAD", "an open inner list"},
	    {"8941 4.2.3.2", "a;B", "BAD", "a capital in a parameter"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char got[256];
		render(rows[i].value, got, sizeof got);
		/* Members before an error are void, so only the error counts. */
		const char *bad = strstr(rows[i].want, "BAD");
		if (bad != NULL ? strstr(got, "BAD") == NULL : strcmp(got, rows[i].want) != 0)
			fail_msg("%s: <%s> gave <%s>, not <%s>: %s", rows[i].section, rows[i].value, got, rows[i].want,
			    rows[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_list_is_parted_at_commas_outside_quotes),
	    cmocka_unit_test(a_directive_is_split_into_name_and_argument),
	    cmocka_unit_test(seconds_are_digits_and_nothing_else),
	    cmocka_unit_test(entity_tags_compare_weakly_and_strongly),
	    cmocka_unit_test(a_dictionary_is_read_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
