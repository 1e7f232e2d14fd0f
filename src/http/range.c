/*
 * A server may always ignore a Range (RFC 9110 14.2), so every doubt ends in RANGE_IGNORE. Numbers beyond 63 bits
 * saturate: they are after the end of every body.
 */
#include "http/range.h"

#include "http/field.h"

enum { OVERLAPS_MAX = 2 }; /* more is egregious, RFC 9110 14.2 */

/* Removes 1*DIGIT from the front. */
static bool take_number(struct span *s, int64_t *value)
{
	size_t i = 0;
	*value = 0;
	for (; i < s->len && s->at[i] >= '0' && s->at[i] <= '9'; i++) {
		int digit = s->at[i] - '0';
		*value = *value > (INT64_MAX - digit) / 10 ? INT64_MAX : *value * 10 + digit;
	}
	*s = span_from(*s, i);
	return i > 0;
}

static bool take_byte(struct span *s, char c)
{
	if (s->len == 0 || s->at[0] != c)
		return false;
	*s = span_from(*s, 1);
	return true;
}

enum spec { SPEC_BAD, SPEC_OUTSIDE, SPEC_INSIDE };

/* first-last, first- or -suffix (RFC 9110 14.1.2) against a body of that size. */
static enum spec resolve(struct span s, int64_t body_bytes, struct range *range)
{
	int64_t n;
	if (take_byte(&s, '-')) {
		if (!take_number(&s, &n) || s.len > 0)
			return SPEC_BAD;
		if (n == 0)
			return SPEC_OUTSIDE;
		range->first = n < body_bytes ? body_bytes - n : 0;
		range->last = body_bytes - 1;
		return SPEC_INSIDE;
	}
	if (!take_number(&s, &range->first) || !take_byte(&s, '-'))
		return SPEC_BAD;
	range->last = INT64_MAX;
	if (s.len > 0 && (!take_number(&s, &range->last) || s.len > 0))
		return SPEC_BAD;
	if (range->last < range->first)
		return SPEC_BAD;
	if (range->first >= body_bytes)
		return SPEC_OUTSIDE;
	if (range->last >= body_bytes)
		range->last = body_bytes - 1;
	return SPEC_INSIDE;
}

/* Many overlapping ranges make a large response to a small request (RFC 9110 17.15). */
static bool overlaps_too_much(const struct range *ranges, size_t count)
{
	size_t overlaps = 0;
	if (count > RANGE_DISORDERED) {
		for (size_t i = 1; i < count; i++)
			if (ranges[i].first <= ranges[i - 1].last)
				return true;
		return false;
	}
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (ranges[i].first <= ranges[k].last && ranges[k].first <= ranges[i].last)
				overlaps++;
	return overlaps > OVERLAPS_MAX;
}

enum range_verdict range_resolve(struct span value, int64_t body_bytes, struct range ranges[RANGE_MAX], size_t *count)
{
	*count = 0;
	value = span_trim(value);
	if (!span_starts_nocase(value, "bytes=")) /* units have no case, RFC 9110 14.1 */
		return RANGE_IGNORE;
	struct span rest = span_from(value, 6), member;
	bool any = false;
	while (field_next(&rest, &member)) {
		struct range range;
		enum spec spec = resolve(member, body_bytes, &range);
		if (spec == SPEC_BAD)
			return RANGE_IGNORE;
		any = true;
		if (spec == SPEC_OUTSIDE)
			continue;
		if (*count == RANGE_MAX)
			return RANGE_IGNORE;
		ranges[(*count)++] = range;
	}
	if (!any)
		return RANGE_IGNORE;
	if (*count == 0)
		return RANGE_UNSATISFIABLE;
	/* The last bytes of nothing: satisfiable by RFC 9110 14.1.2, but no Content-Range can say
	 * so. */
	if (body_bytes == 0)
		return RANGE_IGNORE;
	return overlaps_too_much(ranges, *count) ? RANGE_IGNORE : RANGE_SOME;
}

int range_parse_content_range(struct span value, struct range *range, int64_t *complete)
{
	struct span s = span_trim(value);
	if (!span_starts_nocase(s, "bytes "))
		return -1;
	s = span_from(s, 6);
	if (!take_number(&s, &range->first) || !take_byte(&s, '-') || !take_number(&s, &range->last) ||
	    !take_byte(&s, '/'))
		return -1;
	if (span_is(s, "*"))
		*complete = -1;
	else if (!take_number(&s, complete) || s.len > 0)
		return -1;
	/* RFC 9110 14.4: such a Content-Range is invalid and not to be combined. */
	if (range->last < range->first || range->last == INT64_MAX || (*complete >= 0 && *complete <= range->last))
		return -1;
	return 0;
}

int range_of_response(const struct head *response, struct range *range, int64_t *complete)
{
	struct span name = span_of("Content-Range");
	const struct field *first = message_next(response, name, NULL), *other = first;
	if (first == NULL || range_parse_content_range(first->value, range, complete) != 0)
		return -1;
	while ((other = message_next(response, name, other)) != NULL)
		if (!span_same(other->value, first->value))
			return -1;
	return 0;
}

int64_t range_first(struct span value)
{
	struct range ranges[RANGE_MAX];
	size_t count;
	/* In a body without an end every range is satisfiable. A range that counts from the end begins near INT64_MAX.
	 */
	if (range_resolve(value, INT64_MAX, ranges, &count) != RANGE_SOME || count != 1)
		return -1;
	return ranges[0].first < INT64_MAX / 2 ? ranges[0].first : -1;
}
