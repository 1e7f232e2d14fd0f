/* The parsing algorithms of RFC 8941 4.2, one function each, on a span that shrinks from the front.
 */
#include "http/structured.h"

static char peek(struct span s)
{
	return s.len > 0 ? s.at[0] : '\0';
}

static bool take_byte(struct span *s, char c)
{
	if (s->len == 0 || s->at[0] != c)
		return false;
	*s = span_from(*s, 1);
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* 4.2.3.3 */
static bool take_key(struct span *s, struct span *key)
{
	size_t n = 0;
	if (!is_lower(peek(*s)) && peek(*s) != '*')
		return false;
	while (n < s->len && (is_lower(s->at[n]) || is_digit(s->at[n]) || is_one_of(s->at[n], "_-.*")))
		n++;
	*key = span_make(s->at, n);
	*s = span_from(*s, n);
	return true;
}

/* 4.2.4 */
static bool take_number(struct span *s, struct structured_member *m)
{
	bool negative = take_byte(s, '-');
	size_t whole = 0, fraction = 0;
	int64_t n = 0;
	for (; is_digit(peek(*s)); *s = span_from(*s, 1)) {
		if (++whole > 15)
			return false;
		n = n * 10 + (s->at[0] - '0');
	}
	if (whole == 0)
		return false;
	m->kind = STRUCTURED_INTEGER;
	m->integer = negative ? -n : n;
	if (!take_byte(s, '.'))
		return true;
	for (; is_digit(peek(*s)); *s = span_from(*s, 1))
		fraction++;
	m->kind = STRUCTURED_DECIMAL;
	return whole <= 12 && fraction >= 1 && fraction <= 3;
}

/* 4.2.5 */
static bool take_string(struct span *s, struct structured_member *m)
{
	m->kind = STRUCTURED_STRING;
	for (size_t i = 1; i < s->len; i++) {
		unsigned char c = (unsigned char)s->at[i];
		if (c < 0x20 || c >= 0x7f)
			return false;
		if (c == '"') {
			m->text = span_make(s->at + 1, i - 1);
			*s = span_from(*s, i + 1);
			return true;
		}
		if (c == '\\' && (++i == s->len || !is_one_of(s->at[i], "\"\\")))
			return false;
	}
	return false;
}

/* 4.2.6 */
static bool take_token(struct span *s, struct structured_member *m)
{
	size_t n = 0;
	while (n < s->len && (is_alpha(s->at[n]) || is_digit(s->at[n]) || is_one_of(s->at[n], "!#$%&'*+-.^_`|~:/")))
		n++;
	m->kind = STRUCTURED_TOKEN;
	m->text = span_make(s->at, n);
	*s = span_from(*s, n);
	return true;
}

/* 4.2.7 */
static bool take_bytes(struct span *s, struct structured_member *m)
{
	size_t n = 1;
	while (n < s->len && (is_alpha(s->at[n]) || is_digit(s->at[n]) || is_one_of(s->at[n], "+/=")))
		n++;
	if (n == s->len || s->at[n] != ':')
		return false;
	m->kind = STRUCTURED_BYTES;
	m->text = span_make(s->at + 1, n - 1);
	*s = span_from(*s, n + 1);
	return true;
}

/* 4.2.8 */
static bool take_boolean(struct span *s, struct structured_member *m)
{
	*s = span_from(*s, 1);
	m->kind = STRUCTURED_BOOLEAN;
	m->boolean = peek(*s) == '1';
	return take_byte(s, '1') || take_byte(s, '0');
}

/* 4.2.3.1 */
static bool take_bare_item(struct span *s, struct structured_member *m)
{
	char c = peek(*s);
	if (c == '-' || is_digit(c))
		return take_number(s, m);
	if (c == '"')
		return take_string(s, m);
	if (c == '*' || is_alpha(c))
		return take_token(s, m);
	if (c == ':')
		return take_bytes(s, m);
	return c == '?' && take_boolean(s, m);
}

/* 4.2.3.2 */
static bool take_parameters(struct span *s)
{
	while (take_byte(s, ';')) {
		struct structured_member parameter;
		while (take_byte(s, ' '))
			;
		if (!take_key(s, &parameter.key))
			return false;
		if (take_byte(s, '=') && !take_bare_item(s, &parameter))
			return false;
	}
	return true;
}

/* 4.2.1.2 */
static bool take_inner_list(struct span *s, struct structured_member *m)
{
	m->kind = STRUCTURED_LIST;
	*s = span_from(*s, 1);
	for (;;) {
		struct structured_member item;
		while (take_byte(s, ' '))
			;
		if (take_byte(s, ')'))
			return true;
		if (!take_bare_item(s, &item) || !take_parameters(s))
			return false;
		if (peek(*s) != ' ' && peek(*s) != ')')
			return false;
	}
}

/* 4.2.1.1 */
static bool take_item(struct span *s, struct structured_member *m)
{
	bool taken = peek(*s) == '(' ? take_inner_list(s, m) : take_bare_item(s, m);
	return taken && take_parameters(s);
}

static bool take_member(struct span *s, struct structured_member *m)
{
	if (!take_key(s, &m->key))
		return false;
	if (!take_byte(s, '=')) {
		m->kind = STRUCTURED_BOOLEAN;
		m->boolean = true;
		return take_parameters(s);
	}
	return take_item(s, m);
}

/* 4.2.1, 4.2.2. The comma is taken with the member before it, so that one at the end is seen as the error
 * it is. */
static enum structured_step next(
    struct span *rest, struct structured_member *member, bool (*take)(struct span *, struct structured_member *))
{
	memset(member, 0, sizeof *member);
	*rest = span_trim(*rest);
	if (rest->len == 0)
		return STRUCTURED_END;
	if (!take(rest, member))
		return STRUCTURED_BAD;
	*rest = span_trim(*rest);
	if (rest->len == 0)
		return STRUCTURED_MEMBER;
	if (!take_byte(rest, ','))
		return STRUCTURED_BAD;
	*rest = span_trim(*rest);
	return rest->len == 0 ? STRUCTURED_BAD : STRUCTURED_MEMBER;
}

enum structured_step structured_next(struct span *rest, struct structured_member *member)
{
	return next(rest, member, take_member);
}

enum structured_step structured_next_item(struct span *rest, struct structured_member *item)
{
	return next(rest, item, take_item);
}
