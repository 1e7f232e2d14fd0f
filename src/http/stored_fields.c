/*
 * The fields of a response as they are stored, and what a 304 changes in them.
 */
#include "http/stored_fields.h"

#include "http/date.h"
#include "http/directives.h"
#include "http/field.h"

#include <stdlib.h>

static void add_line(struct buf *out, const struct field *field)
{
	buf_addspan(out, field->name);
	buf_adds(out, ": ");
	buf_addspan(out, field->value);
	buf_addc(out, '\n');
}

static bool is_one_of(const struct field *field, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_is_nocase(field->name, names[i]))
			return true;
	return false;
}

/* Not stored: hop-by-hop fields (RFC 9111 3.1), and two that are made for each response from initial_age_s and
 * body_bytes. */
static bool is_stored(const struct field *field)
{
	static const char *const computed[] = {"Age", "Content-Length"};
	return message_is_end_to_end(field) && !is_one_of(field, computed, sizeof computed / sizeof *computed);
}

int stored_fields_add_cookies(const struct head *head, struct buf *out)
{
	for (size_t i = 0; i < head->count; i++)
		if (field_is_cookie(head->fields[i].name))
			add_line(out, &head->fields[i]);
	return out->failed ? -1 : 0;
}

/* RFC 9111 3.2. Fields that describe the stored bytes (coding, range) are not updated. Content-Type is, as the RFC
 * requires of a cache that stores bodies unchanged. */
static bool is_updated(const struct field *field)
{
	static const char *const theirs[] = {"Content-Encoding", "Content-Range"};
	return is_stored(field) && !is_one_of(field, theirs, sizeof theirs / sizeof *theirs);
}

/* The 200 had a weak tag and the 304 a strong one: the 304 may mean another coding of the same content, so the weak tag
 * stays. */
static bool is_strengthened(const struct field *stored, const struct field *newer)
{
	return span_is_nocase(stored->name, "ETag") && span_starts_nocase(stored->value, "W/") &&
	       !span_starts_nocase(newer->value, "W/");
}

int stored_fields_update(const struct head *stored, const struct head *not_modified, bool cookies, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < stored->count; i++) {
		const struct field *field = &stored->fields[i];
		if (!cookies && field_is_cookie(field->name))
			continue;
		const struct field *newer = message_next(not_modified, field->name, NULL);
		if (newer == NULL || !is_updated(newer) || is_strengthened(field, newer)) {
			add_line(out, field);
			continue;
		}
		/* All new lines of a name take the place of its first old line. */
		if (message_next(stored, field->name, NULL) != field)
			continue;
		for (; newer != NULL; newer = message_next(not_modified, field->name, newer))
			add_line(out, newer);
	}
	for (size_t k = 0; k < not_modified->count; k++) {
		const struct field *field = &not_modified->fields[k];
		if (!cookies && field_is_cookie(field->name))
			continue;
		if (is_updated(field) && message_next(stored, field->name, NULL) == NULL)
			add_line(out, field);
	}
	return out->failed ? -1 : 0;
}

int stored_fields_make(const struct head *response, int64_t answered_at, struct buf *out)
{
	bool dated = false;
	char date[DATE_BYTES];
	int64_t at;
	date_format(answered_at, date);
	buf_clear(out);
	for (size_t i = 0; i < response->count; i++) {
		struct field field = response->fields[i];
		if (!is_stored(&field))
			continue;
		/* RFC 9110 6.6.1: a missing or malformed Date becomes the time of receipt. The first of several counts.
		 */
		if (span_is_nocase(field.name, "Date")) {
			if (dated)
				continue;
			dated = true;
			if (!date_parse(field.value, answered_at, &at))
				field.value = span_of(date);
		}
		add_line(out, &field);
	}
	if (!dated)
		buf_addf(out, "Date: %s\n", date);
	return out->failed ? -1 : 0;
}

int stored_fields_kept(
    const struct policy *policy, const struct rule_decision *decision, const struct head *stored, struct buf *out)
{
	bool cookies = policy_keeps_cookies(policy, decision);
	bool *withheld = calloc(stored->count + 1, sizeof *withheld);
	buf_clear(out);
	if (withheld == NULL)
		return -1;
	directives_withhold(stored, policy->private_cache, withheld);
	for (size_t i = 0; i < stored->count; i++)
		if (!withheld[i] && (cookies || !field_is_cookie(stored->fields[i].name)))
			add_line(out, &stored->fields[i]);
	free(withheld);
	return out->failed ? -1 : 0;
}
