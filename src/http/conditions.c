/*
 * The other half of policy.h: conditions a request carries (RFC 9110 13), and what becomes of
 * stored fields when they are kept and when a 304 freshens them (RFC 9111 3.1, 3.2, 4.3.4).
 *
 * If-Match and If-Unmodified-Since are an origin's to judge, and a cache must not (RFC 9111 4.3.2):
 * policy_precondition_fails() is for files of our own.
 */
#include "http/date.h"
#include "http/directives.h"
#include "http/field.h"
#include "http/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool find_date(const struct head *head, const char *name, int64_t now, int64_t *at)
{
	return date_parse(message_find(head, name), now, at);
}

/* --- conditions --- */

/* Tags that are no entity tags still match when they are the same bytes: servers that send ETag:
 * abc get it back so. */
static bool tag_matches(struct span asked, struct span stored)
{
	return field_tags_match_weak(asked, stored) || (stored.len > 0 && span_same(asked, stored));
}

/* If-None-Match, weakly compared (RFC 9110 13.1.2). */
static bool none_match_fails(const struct head *request, struct span stored)
{
	for (size_t i = 0; i < request->count; i++) {
		if (!span_is_nocase(request->fields[i].name, "If-None-Match"))
			continue;
		struct span rest = request->fields[i].value, member;
		if (span_is(rest, "*") || tag_matches(rest, stored))
			return true;
		while (field_next(&rest, &member))
			if (tag_matches(member, stored))
				return true;
	}
	return false;
}

static size_t count_lines(const struct head *head, const char *name)
{
	size_t n = 0;
	for (size_t i = 0; i < head->count; i++)
		n += span_is_nocase(head->fields[i].name, name) ? 1 : 0;
	return n;
}

/* RFC 9110 13.1.1: strongly compared. */
static bool match_fails(const struct head *request, struct span current)
{
	for (size_t i = 0; i < request->count; i++) {
		if (!span_is_nocase(request->fields[i].name, "If-Match"))
			continue;
		struct span rest = request->fields[i].value, member;
		if (span_is(rest, "*"))
			return false;
		while (field_next(&rest, &member))
			if (field_tags_match_strong(member, current))
				return false;
	}
	return true;
}

bool policy_precondition_fails(const struct head *request, const struct head *response, int64_t now)
{
	int64_t since, modified;
	if (message_has(request, "If-Match")) /* goes before the other (RFC 9110 13.2.2) */
		return match_fails(request, message_find(response, "ETag"));
	return count_lines(request, "If-Unmodified-Since") == 1 &&
	       find_date(request, "If-Unmodified-Since", now, &since) &&
	       find_date(response, "Last-Modified", now, &modified) && modified > since;
}

enum policy_condition policy_judge_condition(const struct head *request, const struct head *response, int64_t now)
{
	int64_t since, modified;
	if (response->status != 200 || (!span_is(request->method, "GET") && !span_is(request->method, "HEAD")))
		return POLICY_GO_ON;
	/* Where both stand, If-Modified-Since is ignored (RFC 9110 13.1.3). */
	if (message_has(request, "If-None-Match"))
		return none_match_fails(request, message_find(response, "ETag")) ? POLICY_NOT_MODIFIED : POLICY_GO_ON;
	if (count_lines(request, "If-Modified-Since") != 1 || !find_date(request, "If-Modified-Since", now, &since))
		return POLICY_GO_ON;
	/* RFC 9111 4.3.2: without a Last-Modified, a cache compares with Date. */
	if (!find_date(response, "Last-Modified", now, &modified) && !find_date(response, "Date", now, &modified))
		return POLICY_GO_ON;
	return modified <= since ? POLICY_NOT_MODIFIED : POLICY_GO_ON;
}

/* RFC 9110 8.8.2.2: two versions made within one second have the same date. */
static bool is_strong_date(const struct head *response, int64_t now, int64_t *modified)
{
	int64_t date;
	return find_date(response, "Last-Modified", now, modified) && find_date(response, "Date", now, &date) &&
	       date > *modified;
}

struct span policy_strong_validator(const struct head *response, int64_t now, bool *is_tag)
{
	struct span tag = message_find(response, "ETag");
	int64_t modified;
	*is_tag = field_tags_match_strong(tag, tag); /* a weak one does not match itself */
	if (tag.at != NULL) /* no date goes into If-Range where there is a tag (RFC 9110 13.1.5) */
		return *is_tag ? tag : span_make(NULL, 0);
	if (is_strong_date(response, now, &modified))
		return message_find(response, "Last-Modified");
	return span_make(NULL, 0);
}

bool policy_range_applies(const struct head *request, const struct head *response, int64_t now)
{
	struct span asked = message_find(request, "If-Range");
	int64_t asked_date, modified;
	if (asked.at == NULL)
		return true;
	if (count_lines(request, "If-Range") != 1)
		return false;
	if (!date_parse(asked, now, &asked_date))
		return field_tags_match_strong(asked, message_find(response, "ETag"));
	return is_strong_date(response, now, &modified) && modified == asked_date;
}

/* --- what an answer says of what is stored --- */

bool policy_withdraws(
    const struct policy *policy, const struct policy_exchange *x, const struct policy_storing *verdict)
{
	int status = x->response->status;
	struct request_directives demand;
	request_directives_read(x->request, &demand);
	if (!span_is(x->request->method, "GET") || demand.no_store || message_has(x->request, "Range") ||
	    (message_has(x->request, "Authorization") && !policy->private_cache))
		return false;
	if (status == 403 || status == 404 || status == 410 || status == 451)
		return true;
	bool by_origin = !verdict->store && verdict->rule_id == 0;
	return by_origin && status >= 200 && status <= 399 && status != 206 && status != 304;
}

/* --- fields --- */

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

/* Not stored: hop-by-hop fields (RFC 9111 3.1), and two that are made anew for each answer, from
 * initial_age_s and body_bytes. */
static bool is_stored(const struct field *field)
{
	static const char *const made_anew[] = {"Age", "Content-Length"};
	return message_is_end_to_end(field) && !is_one_of(field, made_anew, sizeof made_anew / sizeof *made_anew);
}

bool policy_is_cookie(struct span name)
{
	return span_is_nocase(name, "Set-Cookie") || span_is_nocase(name, "Set-Cookie2");
}

bool policy_keeps_cookies(const struct policy *policy, const struct rule_decision *decision)
{
	return policy->private_cache || (decision != NULL && decision->cookies);
}

int policy_cookie_fields(const struct head *head, struct buf *out)
{
	for (size_t i = 0; i < head->count; i++)
		if (policy_is_cookie(head->fields[i].name))
			add_line(out, &head->fields[i]);
	return out->failed ? -1 : 0;
}

/* RFC 9111 3.2. Content-Type is updated as the RFC requires of a cache that keeps bodies as they
 * came; what says how the stored bytes are coded or cut stays theirs. */
static bool is_updated(const struct field *field)
{
	static const char *const theirs[] = {"Content-Encoding", "Content-Range"};
	return is_stored(field) && !is_one_of(field, theirs, sizeof theirs / sizeof *theirs);
}

/* Where the 200 said W/ of these bytes, a 304 that leaves it out may mean what they were made of: another coding of the
 * same. */
static bool is_strengthened(const struct field *stored, const struct field *newer)
{
	return span_is_nocase(stored->name, "ETag") && span_starts_nocase(stored->value, "W/") &&
	       !span_starts_nocase(newer->value, "W/");
}

bool policy_freshens(const struct head *not_modified, const struct head *stored)
{
	struct span theirs = message_find(not_modified, "ETag"), ours = message_find(stored, "ETag");
	if (theirs.len > 0 && ours.len > 0)
		return tag_matches(theirs, ours);
	/* Without two tags there is the date, and a tag that we do not have is that of our bytes only if the date says
	 * so. Who says neither answers what was asked. */
	struct span their_date = message_find(not_modified, "Last-Modified");
	struct span our_date = message_find(stored, "Last-Modified");
	if (their_date.len == 0 || our_date.len == 0)
		return theirs.len == 0;
	return span_same_nocase(their_date, our_date);
}

int policy_update_fields(const struct head *stored, const struct head *not_modified, bool cookies, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < stored->count; i++) {
		const struct field *field = &stored->fields[i];
		if (!cookies && policy_is_cookie(field->name))
			continue;
		const struct field *newer = message_next(not_modified, field->name, NULL);
		if (newer == NULL || !is_updated(newer) || is_strengthened(field, newer)) {
			add_line(out, field);
			continue;
		}
		/* All new lines of the name stand where the first old one stood. */
		if (message_next(stored, field->name, NULL) != field)
			continue;
		for (; newer != NULL; newer = message_next(not_modified, field->name, newer))
			add_line(out, newer);
	}
	for (size_t k = 0; k < not_modified->count; k++) {
		const struct field *field = &not_modified->fields[k];
		if (!cookies && policy_is_cookie(field->name))
			continue;
		if (is_updated(field) && message_next(stored, field->name, NULL) == NULL)
			add_line(out, field);
	}
	return out->failed ? -1 : 0;
}

int policy_stored_fields(const struct head *response, int64_t answered_at, struct buf *out)
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
		/* RFC 9110 6.6.1: a Date that is missing or none is when it was received; of
		 * several the first is meant. */
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

int policy_kept_fields(
    const struct policy *policy, const struct rule_decision *decision, const struct head *stored, struct buf *out)
{
	bool cookies = policy_keeps_cookies(policy, decision);
	bool *withheld = calloc(stored->count + 1, sizeof *withheld);
	buf_clear(out);
	if (withheld == NULL)
		return -1;
	directives_withhold(stored, policy->private_cache, withheld);
	for (size_t i = 0; i < stored->count; i++)
		if (!withheld[i] && (cookies || !policy_is_cookie(stored->fields[i].name)))
			add_line(out, &stored->fields[i]);
	free(withheld);
	return out->failed ? -1 : 0;
}

/* The next coding of all Content-Encoding lines. *line: the line that *rest is of; begin with NULL and nothing. */
static bool next_coding(const struct head *head, const struct field **line, struct span *rest, struct span *coding)
{
	for (;;) {
		while (field_next(rest, coding)) {
			if (span_is_nocase(*coding, "identity"))
				continue;
			if (span_starts_nocase(*coding, "x-")) /* x-gzip is gzip (RFC 9110 8.4.1.3) */
				*coding = span_from(*coding, 2);
			return true;
		}
		*line = message_next(head, span_of("Content-Encoding"), *line);
		if (*line == NULL)
			return false;
		*rest = (*line)->value;
	}
}

bool policy_is_encoded(const struct head *response)
{
	const struct field *line = NULL;
	struct span rest = {NULL, 0}, coding;
	return next_coding(response, &line, &rest, &coding);
}

bool policy_same_coding(const struct head *a, const struct head *b)
{
	const struct field *line_a = NULL, *line_b = NULL;
	struct span rest_a = {NULL, 0}, rest_b = {NULL, 0}, x, y;
	for (;;) {
		bool more_a = next_coding(a, &line_a, &rest_a, &x), more_b = next_coding(b, &line_b, &rest_b, &y);
		if (!more_a || !more_b)
			return more_a == more_b;
		if (!span_same_nocase(x, y))
			return false;
	}
}

/* A validator that came must be the stored one. */
static bool confirms(const struct head *came, const struct head *stored, const char *name)
{
	struct span x = message_find(came, name);
	return x.at == NULL || span_same(x, message_find(stored, name));
}

/* False when both have the field and its values differ. */
static bool agrees(const struct head *a, const struct head *b, const char *name)
{
	struct span x = message_find(a, name), y = message_find(b, name);
	return x.at == NULL || y.at == NULL || span_same(x, y);
}

bool policy_head_freshens(const struct head *head_response, const struct head *stored, int64_t stored_bytes)
{
	struct span length = message_find(head_response, "Content-Length");
	char bytes[24];
	snprintf(bytes, sizeof bytes, "%" PRId64, stored_bytes);
	return (length.at == NULL || span_is(length, bytes)) && confirms(head_response, stored, "ETag") &&
	       confirms(head_response, stored, "Last-Modified") && agrees(head_response, stored, "Content-MD5") &&
	       agrees(head_response, stored, "Content-Encoding");
}
