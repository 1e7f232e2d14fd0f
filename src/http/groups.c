#include "http/groups.h"

#include "http/structured.h"

#include <string.h>

struct list {
	struct buf *out;
	size_t count;
	bool left_out;
};

static const struct source {
	const char *name;
	const char *separators; /* NULL: a list of strings */
} sources[] = {{"Cache-Groups", NULL}, {"Surrogate-Key", " \t"}, {"Cache-Tag", ","}, {"xkey", " \t,"}};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static bool is_printable(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] < ' ' || name.at[i] > '~')
			return false;
	return true;
}

static void add(struct list *l, struct span name)
{
	if (name.len == 0)
		return;
	if (l->count == GROUPS_MOST || name.len > GROUPS_NAME_BYTES || !is_printable(name)) {
		l->left_out = true;
		return;
	}
	l->count++;
	buf_addspan(l->out, name);
	buf_addc(l->out, '\n');
}

static void add_separated(struct list *l, struct span value, const char *separators)
{
	for (size_t from = 0, i = 0; i <= value.len; i++) {
		if (i < value.len && strchr(separators, value.at[i]) == NULL)
			continue;
		add(l, span_trim(span_make(value.at + from, i - from)));
		from = i + 1;
	}
}

/* The string without its escapes. */
static void add_string(struct list *l, struct span text)
{
	char name[GROUPS_NAME_BYTES + 1];
	size_t n = 0;
	for (size_t i = 0; i < text.len && n < sizeof name; i++) {
		if (text.at[i] == '\\')
			i++;
		name[n++] = text.at[i];
	}
	add(l, span_make(name, n));
}

/* The lines of the field as one value (RFC 9110 5.3). */
static int join_lines(const struct head *h, const char *name, struct buf *out)
{
	const struct field *f = NULL;
	while ((f = message_next(h, span_of(name), f)) != NULL) {
		if (out->len > 0)
			buf_addc(out, ',');
		buf_addspan(out, f->value);
	}
	return out->failed ? -1 : 0;
}

/* One error, or a member that is no string, makes the whole field invalid: it is read twice. */
static int add_strings(struct list *l, const struct head *h, const char *name)
{
	struct buf value;
	struct structured_member m;
	enum structured_step step;
	buf_init(&value, MESSAGE_TEXT_MAX);
	int rc = join_lines(h, name, &value);
	struct span rest = buf_span(&value);
	while ((step = structured_next_item(&rest, &m)) == STRUCTURED_MEMBER && m.kind == STRUCTURED_STRING)
		;
	if (rc == 0 && step == STRUCTURED_END) {
		rest = buf_span(&value);
		while (structured_next_item(&rest, &m) == STRUCTURED_MEMBER)
			add_string(l, m.text);
	}
	buf_fini(&value);
	return rc;
}

static enum groups_read result(const struct list *l, bool found, int rc)
{
	if (rc != 0 || l->out->failed)
		return GROUPS_NO_MEMORY;
	return !found ? GROUPS_NONE : l->left_out ? GROUPS_INCOMPLETE : GROUPS_ALL;
}

enum groups_read groups_read(const struct head *h, struct buf *out)
{
	struct list l = {.out = out};
	bool found = false;
	int rc = 0;
	for (size_t i = 0; i < SOURCES && rc == 0; i++) {
		const struct field *f = message_next(h, span_of(sources[i].name), NULL);
		if (f == NULL)
			continue;
		found = true;
		if (sources[i].separators == NULL)
			rc = add_strings(&l, h, sources[i].name);
		for (; sources[i].separators != NULL && f != NULL; f = message_next(h, f->name, f))
			add_separated(&l, f->value, sources[i].separators);
	}
	if (l.left_out)
		buf_addc(out, '\n');
	return result(&l, found, rc);
}

enum groups_read groups_copy(const struct head *h, char **list)
{
	struct buf groups;
	buf_init(&groups, MESSAGE_TEXT_MAX);
	enum groups_read read = groups_read(h, &groups);
	*list = read == GROUPS_ALL || read == GROUPS_INCOMPLETE ? strdup(buf_str(&groups)) : NULL;
	buf_fini(&groups);
	return read != GROUPS_NONE && *list == NULL ? GROUPS_NO_MEMORY : read;
}

bool groups_are_named(const struct head *h)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (message_has(h, sources[i].name))
			return true;
	return false;
}

enum groups_read groups_read_list(const struct head *h, const char *field, struct buf *out)
{
	struct list l = {.out = out};
	if (!message_has(h, field))
		return GROUPS_NONE;
	int rc = add_strings(&l, h, field);
	return result(&l, true, rc);
}

static bool holds(const char *list, struct span group)
{
	struct span rest = span_of(list), line;
	while (span_next_line(&rest, &line))
		if (line.len == 0 || span_same(line, group))
			return true;
	return false;
}

bool groups_meet(const char *a, const char *b)
{
	struct span rest = span_of(a != NULL ? a : ""), line;
	while (b != NULL && span_next_line(&rest, &line))
		if (line.len == 0 || holds(b, line))
			return true;
	return false;
}

bool groups_fields_meet(const char *fields, const char *groups)
{
	struct head h;
	struct buf named;
	message_init(&h);
	buf_init(&named, MESSAGE_TEXT_MAX);
	bool meet = message_parse_fields(&h, span_of(fields)) != 0 || groups_read(&h, &named) == GROUPS_NO_MEMORY ||
		    groups_meet(buf_str(&named), groups);
	buf_fini(&named);
	message_fini(&h);
	return meet;
}

bool groups_is_internal(struct span field_name)
{
	/* Of most names, the length alone tells that they are others. */
	return (field_name.len == 4 || field_name.len == 9 || field_name.len == 13) &&
	       (span_is_nocase(field_name, "xkey") || span_is_nocase(field_name, "Cache-Tag") ||
		   span_is_nocase(field_name, "Surrogate-Key"));
}

int groups_write(struct buf *out, const char *group)
{
	if (!is_printable(span_of(group)))
		return -1;
	buf_addc(out, '"');
	for (; *group != '\0'; group++) {
		if (*group == '"' || *group == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *group);
	}
	return buf_addc(out, '"');
}
