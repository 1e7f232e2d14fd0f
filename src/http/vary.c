/*
 * A variant text is made from the names that a response lists and the values that a request has. Matching makes each
 * value again and compares. So both sides pass through the same normalisation, which may only join values that mean the
 * same: RFC 9111 4.1 allows white space, line combination and what is known of a field. Of most fields nothing is
 * known, and their values are taken as they are. In Accept-Encoding and Accept-Language the preferences are sorted, so
 * that the codings of two browsers, in different order, are one variant.
 */
#include "http/vary.h"

#include "http/field.h"
#include "http/preference.h"

#include <stdlib.h>

enum { NAMES_MAX = 64 }; /* a response with more names is treated as "*" */

static unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;
	return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

/* Order by lower-case bytes; 0 when they are the same without case. */
static int order(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	for (size_t i = 0; i < n; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return lower(a.at[i]) < lower(b.at[i]) ? -1 : 1;
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static int order_names(const void *a, const void *b)
{
	return order(*(const struct span *)a, *(const struct span *)b);
}

static int order_preferences(const void *a, const void *b)
{
	const struct preference *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return order(x->name, y->name);
}

static void add_lower(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_addc(out, (char)lower(s.at[i]));
}

static void add_preferences(struct buf *out, struct preference *p, size_t count)
{
	qsort(p, count, sizeof *p, order_preferences);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && order_preferences(&p[i - 1], &p[i]) == 0)
			continue;
		if (i > 0)
			buf_adds(out, ", ");
		add_lower(out, p[i].name);
		if (p[i].weight == 1000)
			continue;
		char digits[8] = {'.', (char)('0' + p[i].weight / 100), (char)('0' + p[i].weight / 10 % 10),
		    (char)('0' + p[i].weight % 10), '\0'};
		for (size_t k = 3; k > 0 && digits[k] == '0'; k--)
			digits[k] = '\0';
		buf_addf(out, ";q=0%s", digits[1] == '\0' ? "" : digits);
	}
}

/* True for request fields that are defined as comma lists. In these, white space around a comma and empty members mean
 * nothing (RFC 9110 5.6.1). In any other field they may be part of the value. */
static bool is_list(struct span name)
{
	static const char *const lists[] = {"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language",
	    "Access-Control-Request-Headers", "Cache-Control", "Connection", "Expect", "Forwarded", "If-Match",
	    "If-None-Match", "Pragma", "Prefer", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Via",
	    "X-Forwarded-For"};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (span_is_nocase(name, lists[i]))
			return true;
	return false;
}

/* All members of all lines of that name, white space around commas made uniform. */
static void add_members(struct buf *out, const struct head *request, struct span name)
{
	bool first = true;
	const struct field *line = NULL;
	while ((line = message_next(request, name, line)) != NULL) {
		struct span rest = line->value, member;
		while (field_next(&rest, &member)) {
			if (!first)
				buf_adds(out, ", ");
			buf_addspan(out, member);
			first = false;
		}
	}
}

/* All lines of that name, unchanged but trimmed. Several lines are one value (RFC 9110 5.3). */
static void add_values(struct buf *out, const struct head *request, struct span name)
{
	const struct field *line = NULL;
	for (bool first = true; (line = message_next(request, name, line)) != NULL; first = false) {
		if (!first)
			buf_adds(out, ", ");
		buf_addspan(out, line->value);
	}
}

/* One line of a variant text, without its end. */
static void add_line(struct buf *out, const struct head *request, struct span name)
{
	add_lower(out, name);
	if (message_next(request, name, NULL) == NULL)
		return;
	buf_adds(out, ": ");
	struct preference preferences[PREFERENCE_MAX];
	int count = -1;
	if (span_is_nocase(name, "Accept-Encoding") || span_is_nocase(name, "Accept-Language"))
		count = preference_read(request, name, preferences);
	if (count >= 0)
		add_preferences(out, preferences, (size_t)count);
	else if (is_list(name))
		add_members(out, request, name);
	else
		add_values(out, request, name);
}

/* The names in all Vary lines, sorted. -1 for "*", for a malformed name, or for too many. */
static int read_names(const struct head *response, struct span names[NAMES_MAX])
{
	int count = 0;
	for (size_t i = 0; i < response->count; i++) {
		if (!span_is_nocase(response->fields[i].name, "Vary"))
			continue;
		struct span rest = response->fields[i].value, member;
		while (field_next(&rest, &member)) {
			if (span_is(member, "*") || !message_is_token(member) || count == NAMES_MAX)
				return -1;
			names[count++] = member;
		}
	}
	if (count > 0)
		qsort(names, (size_t)count, sizeof *names, order_names);
	return count;
}

int vary_text(const struct head *response, const struct head *request, struct buf *out)
{
	struct span names[NAMES_MAX];
	buf_clear(out);
	int count = read_names(response, names);
	for (int i = 0; i < count; i++) {
		if (i > 0 && order(names[i - 1], names[i]) == 0)
			continue;
		if (i > 0)
			buf_addc(out, '\n');
		add_line(out, request, names[i]);
	}
	return count < 0 || out->failed ? -1 : 0;
}

/* True when the request's Accept-Language prefers this one language to all others. */
static bool prefers(const struct head *request, struct span name, struct span language)
{
	struct preference preferences[PREFERENCE_MAX];
	int count = preference_read(request, name, preferences);
	if (count <= 0)
		return false;
	qsort(preferences, (size_t)count, sizeof *preferences, order_preferences);
	return preferences[0].weight > 0 && span_same_nocase(preferences[0].name, language) &&
	       (count == 1 || preferences[1].weight < preferences[0].weight);
}

/* x-gzip is another name of gzip (RFC 9110 8.4.1.3). */
static struct span coding_name(struct span s)
{
	return span_starts_nocase(s, "x-") ? span_from(s, 2) : s;
}

/* True when no other coding has a higher weight in these preferences. */
static bool wants(const struct preference *p, int count, struct span coding)
{
	int weight = 0, highest = 0;
	for (int i = 0; i < count; i++) {
		if (span_same_nocase(coding_name(p[i].name), coding_name(coding)))
			weight = p[i].weight;
		if (p[i].weight > highest)
			highest = p[i].weight;
	}
	return weight > 0 && weight == highest;
}

/* An origin sent an uncoded response to the preferences `then`. True when it would do the same for `wanted`, because
 * these leave it no coding that it could not have chosen before. */
static bool leaves_plain(const struct preference *wanted, int count, const struct preference *then, int then_count)
{
	for (int i = 0; i < count; i++) {
		bool identity = span_is_nocase(coding_name(wanted[i].name), "identity"),
		     known = identity || wanted[i].weight == 0;
		if (wanted[i].weight == 0 && (identity || span_is(wanted[i].name, "*")))
			return false; /* uncoded is not acceptable */
		for (int k = 0; k < then_count && !known; k++)
			known = then[k].weight > 0 && span_same_nocase(then[k].name, wanted[i].name);
		if (!known)
			return false;
	}
	return true;
}

/* line: of a variant text, "accept-encoding" or "accept-encoding: preferences". */
static bool accepts_coding(struct span line, struct span coding, const struct head *request)
{
	static const char name[] = "accept-encoding";
	struct preference wanted[PREFERENCE_MAX], then[PREFERENCE_MAX];
	int count = preference_read(request, span_of(name), wanted);
	if (count < 0)
		return false;
	if (coding.len > 0)
		return message_is_token(coding) && wants(wanted, count, coding);
	struct field stored = {
	    .name = span_of(name), .value = span_from(line, line.len > sizeof name ? sizeof name : line.len)};
	struct head then_head = {.fields = &stored, .count = 1};
	int then_count = preference_read(&then_head, span_of(name), then);
	return then_count >= 0 && leaves_plain(wanted, count, then, then_count);
}

/* True when the request makes that line of a variant text. response, if not NULL: also when the response is as good for
 * it. */
static bool line_matches(struct span line, const struct head *response, const struct head *request)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct span name = span_make(line.at, colon != NULL ? (size_t)(colon - line.at) : line.len);
	struct buf made;
	buf_init(&made, BUF_VARY);
	add_line(&made, request, name);
	bool matches = !made.failed && span_same(buf_span(&made), line);
	buf_fini(&made);
	if (matches || response == NULL)
		return matches;
	if (span_is_nocase(name, "Accept-Encoding"))
		return accepts_coding(line, message_find(response, "Content-Encoding"), request);
	struct span language = message_find(response, "Content-Language");
	return span_is_nocase(name, "Accept-Language") && language.len > 0 && prefers(request, name, language);
}

bool vary_matches(const char *variant, const struct head *request)
{
	return vary_suits(variant, NULL, request);
}

bool vary_suits(const char *variant, const struct head *response, const struct head *request)
{
	struct span rest = span_of(variant), line;
	while (span_next_line(&rest, &line))
		if (!line_matches(line, response, request))
			return false;
	return true;
}

bool vary_coding_suits(const char *variant, const struct head *response, const struct head *request)
{
	struct span rest = span_of(variant), line;
	while (span_next_line(&rest, &line))
		if (span_starts_nocase(line, "accept-encoding") && !line_matches(line, response, request))
			return false;
	return true;
}
