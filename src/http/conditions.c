/*
 * Conditions of a request (RFC 9110 13).
 *
 * If-Match and If-Unmodified-Since are for an origin to judge, and a cache must not judge them (RFC 9111 4.3.2).
 * conditions_precondition_fails() is for curlew's own files.
 */
#include "http/conditions.h"

#include "http/date.h"
#include "http/field.h"

/* If-None-Match, weakly compared (RFC 9110 13.1.2). */
static bool none_match_fails(const struct head *request, struct span stored)
{
	for (size_t i = 0; i < request->count; i++) {
		if (!span_is_nocase(request->fields[i].name, "If-None-Match"))
			continue;
		struct span rest = request->fields[i].value, member;
		if (span_is(rest, "*") || field_tags_match_or_same(rest, stored))
			return true;
		while (field_next(&rest, &member))
			if (field_tags_match_or_same(member, stored))
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

bool conditions_precondition_fails(const struct head *request, const struct head *response, int64_t now)
{
	int64_t since, modified;
	if (message_has(request, "If-Match")) /* overrides the other (RFC 9110 13.2.2) */
		return match_fails(request, message_find(response, "ETag"));
	return count_lines(request, "If-Unmodified-Since") == 1 &&
	       date_find(request, "If-Unmodified-Since", now, &since) &&
	       date_find(response, "Last-Modified", now, &modified) && modified > since;
}

enum conditions_verdict conditions_judge(const struct head *request, const struct head *response, int64_t now)
{
	int64_t since, modified;
	if (response->status != 200 || (!span_is(request->method, "GET") && !span_is(request->method, "HEAD")))
		return CONDITIONS_GO_ON;
	/* If both are present, If-Modified-Since is ignored (RFC 9110 13.1.3). */
	if (message_has(request, "If-None-Match"))
		return none_match_fails(request, message_find(response, "ETag")) ? CONDITIONS_NOT_MODIFIED
										 : CONDITIONS_GO_ON;
	if (count_lines(request, "If-Modified-Since") != 1 || !date_find(request, "If-Modified-Since", now, &since))
		return CONDITIONS_GO_ON;
	/* RFC 9111 4.3.2: without a Last-Modified, a cache compares with Date. */
	if (!date_find(response, "Last-Modified", now, &modified) && !date_find(response, "Date", now, &modified))
		return CONDITIONS_GO_ON;
	return modified <= since ? CONDITIONS_NOT_MODIFIED : CONDITIONS_GO_ON;
}

/* RFC 9110 8.8.2.2: two versions made within one second have the same date. */
static bool is_strong_date(const struct head *response, int64_t now, int64_t *modified)
{
	int64_t date;
	return date_find(response, "Last-Modified", now, modified) && date_find(response, "Date", now, &date) &&
	       date > *modified;
}

struct span conditions_strong_validator(const struct head *response, int64_t now, bool *is_tag)
{
	struct span tag = message_find(response, "ETag");
	int64_t modified;
	*is_tag = field_tags_match_strong(tag, tag); /* a weak one does not match itself */
	if (tag.at != NULL)                          /* If-Range has no date if there is a tag (RFC 9110 13.1.5) */
		return *is_tag ? tag : span_make(NULL, 0);
	if (is_strong_date(response, now, &modified))
		return message_find(response, "Last-Modified");
	return span_make(NULL, 0);
}

bool conditions_range_applies(const struct head *request, const struct head *response, int64_t now)
{
	struct span if_range = message_find(request, "If-Range");
	int64_t if_range_date, modified;
	if (if_range.at == NULL)
		return true;
	if (count_lines(request, "If-Range") != 1)
		return false;
	if (!date_parse(if_range, now, &if_range_date))
		return field_tags_match_strong(if_range, message_find(response, "ETag"));
	return is_strong_date(response, now, &modified) && modified == if_range_date;
}
