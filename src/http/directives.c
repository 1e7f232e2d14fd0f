/*
 * Two syntaxes use the same two tables: the lenient list of Cache-Control (RFC 9111 5.2), and the strict dictionary of
 * a targeted field (RFC 9213 2.1). In the dictionary, a known directive of the wrong type makes the whole field
 * invalid, like a syntax error.
 */
#include "http/directives.h"

#include "http/field.h"
#include "http/structured.h"

#include <stddef.h>

static const struct {
	const char *name;
	size_t offset;
} flags[] = {
    {"no-store", offsetof(struct directives, no_store)},
    {"no-cache", offsetof(struct directives, no_cache)},
    {"private", offsetof(struct directives, is_private)},
    {"public", offsetof(struct directives, is_public)},
    {"must-revalidate", offsetof(struct directives, must_revalidate)},
    {"proxy-revalidate", offsetof(struct directives, proxy_revalidate)},
    {"must-understand", offsetof(struct directives, must_understand)},
    {"immutable", offsetof(struct directives, immutable)},
    {"only-if-cached", offsetof(struct directives, only_if_cached)},
};

static const struct {
	const char *name;
	size_t offset;
} times[] = {
    {"max-age", offsetof(struct directives, max_age_s)},
    {"s-maxage", offsetof(struct directives, s_maxage_s)},
    {"stale-while-revalidate", offsetof(struct directives, stale_while_revalidate_s)},
    {"stale-if-error", offsetof(struct directives, stale_if_error_s)},
    {"min-fresh", offsetof(struct directives, min_fresh_s)},
    {"max-stale", offsetof(struct directives, max_stale_s)},
};

static void silence(struct directives *d)
{
	memset(d, 0, sizeof *d);
	d->max_age_s = d->s_maxage_s = d->min_fresh_s = d->max_stale_s = -1;
	d->stale_while_revalidate_s = d->stale_if_error_s = -1;
}

static bool *find_flag(struct directives *d, struct span name)
{
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (span_is_nocase(name, flags[i].name))
			return (bool *)((char *)d + flags[i].offset);
	return NULL;
}

static int64_t *find_time(struct directives *d, struct span name)
{
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (span_is_nocase(name, times[i].name))
			return (int64_t *)((char *)d + times[i].offset);
	return NULL;
}

/* no-cache and private may name fields, and then apply only to those. */
static bool names_fields(struct span name, struct span argument)
{
	struct span member;
	bool some = false;
	if (!span_is_nocase(name, "no-cache") && !span_is_nocase(name, "private"))
		return false;
	for (; field_next(&argument, &member); some = true)
		if (!message_is_token(member))
			return false; /* the sender meant to forbid something */
	return some;
}

static void read_list(struct directives *d, struct span value)
{
	struct span member, name, argument;
	while (field_next(&value, &member)) {
		field_directive(member, &name, &argument);
		bool *flag = find_flag(d, name);
		if (flag != NULL && !names_fields(name, argument))
			*flag = true;
		int64_t *time = find_time(d, name);
		if (time == NULL || *time != -1)
			continue;
		*time = field_seconds(argument);
		if (*time < 0)
			*time = time == &d->max_stale_s && argument.at == NULL ? INT64_MAX : DIRECTIVES_BAD;
	}
}

static void read_cache_control(struct directives *d, const struct head *head)
{
	for (size_t i = 0; i < head->count; i++)
		if (span_is_nocase(head->fields[i].name, "Cache-Control"))
			read_list(d, head->fields[i].value);
}

/* False when the member is a known directive with an argument that it cannot have. */
static bool read_member(struct directives *d, const struct structured_member *m)
{
	const int64_t ceiling = (int64_t)1 << 31; /* RFC 9111 1.2.2 */
	bool *flag = find_flag(d, m->key);
	if (flag != NULL)
		*flag = m->kind != STRUCTURED_BOOLEAN || m->boolean;
	int64_t *time = find_time(d, m->key);
	if (time == NULL)
		return true;
	if (m->kind != STRUCTURED_INTEGER)
		return false;
	*time = m->integer < 0 ? DIRECTIVES_BAD : m->integer > ceiling ? ceiling : m->integer;
	return true;
}

/* True when the field is present, well-formed and not empty (RFC 9213 2.1). */
static bool read_targeted(struct directives *d, const struct head *head, const char *name)
{
	bool any = false;
	silence(d);
	d->field = name;
	for (size_t i = 0; i < head->count; i++) {
		if (!span_is_nocase(head->fields[i].name, name))
			continue;
		struct span rest = head->fields[i].value;
		struct structured_member member;
		enum structured_step step;
		while ((step = structured_next(&rest, &member)) == STRUCTURED_MEMBER) {
			if (!read_member(d, &member))
				return false;
			any = true;
		}
		if (step == STRUCTURED_BAD)
			return false;
	}
	return any;
}

void directives_of_response(
    struct directives *d, const struct head *response, const char *const *targets, size_t target_count)
{
	for (size_t i = 0; i < target_count; i++)
		if (read_targeted(d, response, targets[i]))
			return;
	silence(d);
	read_cache_control(d, response);
}

/* Handles all lines of that name, unless that was done before. */
static void withhold(const struct head *response, struct span name, bool withheld[])
{
	const struct field *f = NULL;
	while ((f = message_next(response, name, f)) != NULL && !withheld[f - response->fields])
		withheld[f - response->fields] = true;
}

static void withhold_listed(const struct head *response, struct span list, bool private_cache, bool withheld[])
{
	struct span member, name, argument, listed;
	while (field_next(&list, &member)) {
		field_directive(member, &name, &argument);
		if (!span_is_nocase(name, "no-cache") && (private_cache || !span_is_nocase(name, "private")))
			continue;
		if (!names_fields(name, argument))
			continue;
		while (field_next(&argument, &listed))
			withhold(response, listed, withheld);
	}
}

void directives_withhold(const struct head *response, bool private_cache, bool withheld[])
{
	const struct field *line = NULL;
	while ((line = message_next(response, span_of("Cache-Control"), line)) != NULL)
		withhold_listed(response, line->value, private_cache, withheld);
}

void directives_of_request(struct directives *d, const struct head *request)
{
	silence(d);
	read_cache_control(d, request);
}
