/*
 * Which stored response a 304 or a response to HEAD confirms (RFC 9111 4.3.4, 4.3.5).
 */
#include "http/freshening.h"

#include "http/field.h"

#include <inttypes.h>
#include <stdio.h>

bool freshening_applies(const struct head *not_modified, const struct head *stored)
{
	struct span theirs = message_find(not_modified, "ETag"), ours = message_find(stored, "ETag");
	if (theirs.len > 0 && ours.len > 0)
		return field_tags_match_or_same(theirs, ours);
	/* Without two tags, the dates decide: a tag that is not stored belongs to the stored bytes only if the dates
	 * agree. A 304 with neither confirms the request. */
	struct span their_date = message_find(not_modified, "Last-Modified");
	struct span our_date = message_find(stored, "Last-Modified");
	if (their_date.len == 0 || our_date.len == 0)
		return theirs.len == 0;
	return span_same_nocase(their_date, our_date);
}

/* False when the response has this validator and the stored one has another. */
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

bool freshening_head_applies(const struct head *head_response, const struct head *stored, int64_t stored_bytes)
{
	struct span length = message_find(head_response, "Content-Length");
	char bytes[24];
	snprintf(bytes, sizeof bytes, "%" PRId64, stored_bytes);
	return (length.at == NULL || span_is(length, bytes)) && confirms(head_response, stored, "ETag") &&
	       confirms(head_response, stored, "Last-Modified") && agrees(head_response, stored, "Content-MD5") &&
	       agrees(head_response, stored, "Content-Encoding");
}
