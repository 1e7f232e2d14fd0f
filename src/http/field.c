/*
 * Every list in the program is read by field_next(), so that no comma inside a quoted string (RFC 9110 5.6.4) splits
 * one.
 */
#include "http/field.h"

/* The length of the quoted string at the front of s, with both quotes; 0 when its end is missing. */
static size_t quoted_length(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '\\')
			i++;
		else if (s.at[i] == '"')
			return i + 1;
	}
	return 0;
}

bool field_next(struct span *rest, struct span *member)
{
	while (rest->len > 0) {
		size_t n = 0;
		while (n < rest->len && rest->at[n] != ',') {
			size_t quoted = rest->at[n] == '"' ? quoted_length(span_from(*rest, n)) : 1;
			/* A quote that is never closed takes the rest: a comma in the string looks like one in the
			 * list. */
			n = quoted == 0 ? rest->len : n + quoted;
		}
		*member = span_trim(span_make(rest->at, n));
		*rest = span_from(*rest, n < rest->len ? n + 1 : n);
		if (member->len > 0)
			return true;
	}
	return false;
}

struct span field_bare(struct span member)
{
	const char *semicolon = member.len > 0 ? memchr(member.at, ';', member.len) : NULL;
	return semicolon == NULL ? member : span_trim(span_make(member.at, (size_t)(semicolon - member.at)));
}

/*
 * A malformed argument is returned raw: white space at the "=" (RFC 9111 5.2 has none), a quote that is not closed,
 * bytes after the quote. No reader of values accepts it. So `max-age =60` is a malformed max-age, hence stale (RFC
 * 9111 4.2.1), and `private ="x"` is still private.
 */
void field_directive(struct span member, struct span *name, struct span *value)
{
	const char *equals = member.len > 0 ? memchr(member.at, '=', member.len) : NULL;
	*name = member;
	*value = span_make(NULL, 0);
	if (equals == NULL)
		return;
	name->len = (size_t)(equals - member.at);
	*value = span_from(member, name->len + 1);
	struct span bare = span_trim(*name);
	if (bare.len != name->len) {
		*value = span_from(member, bare.len);
		*name = bare;
	} else if (value->len > 0 && value->at[0] == '"' && quoted_length(*value) == value->len) {
		*value = span_make(value->at + 1, value->len - 2);
	}
}

int64_t field_seconds(struct span s)
{
	const int64_t ceiling = (int64_t)1 << 31; /* RFC 9111 1.2.2 */
	int64_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -1;
		if (n < ceiling)
			n = n * 10 + (s.at[i] - '0');
	}
	if (s.len == 0)
		return -1;
	return n > ceiling ? ceiling : n;
}

/* The part between the quotes is what is compared; {NULL, 0} when the tag is malformed. */
static struct span opaque(struct span tag, bool *weak)
{
	*weak = span_starts(tag, "W/"); /* case-sensitive, RFC 9110 8.8.3 */
	struct span s = *weak ? span_from(tag, 2) : tag;
	if (s.len < 2 || s.at[0] != '"' || s.at[s.len - 1] != '"')
		return span_make(NULL, 0);
	for (size_t i = 1; i < s.len - 1; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c <= 0x20 || c == '"' || c == 0x7f)
			return span_make(NULL, 0);
	}
	return span_make(s.at + 1, s.len - 2);
}

bool field_tags_match_weak(struct span a, struct span b)
{
	bool weak;
	struct span x = opaque(a, &weak), y = opaque(b, &weak);
	return x.at != NULL && y.at != NULL && span_same(x, y);
}

bool field_tags_match_strong(struct span a, struct span b)
{
	bool weak_a, weak_b;
	struct span x = opaque(a, &weak_a), y = opaque(b, &weak_b);
	return x.at != NULL && y.at != NULL && !weak_a && !weak_b && span_same(x, y);
}

bool field_tags_match_or_same(struct span a, struct span b)
{
	return field_tags_match_weak(a, b) || (b.len > 0 && span_same(a, b));
}

bool field_is_cookie(struct span name)
{
	return span_is_nocase(name, "Set-Cookie") || span_is_nocase(name, "Set-Cookie2");
}
