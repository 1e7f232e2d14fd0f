/*
 * span: a borrowed run of bytes, not NUL-terminated.
 *
 * A span owns nothing and is valid as long as the bytes it points to. All functions are pure; any thread may call.
 * "nocase" ignores the case of ASCII letters only, as HTTP requires (RFC 9110 5.1).
 */
#ifndef CURLEW_BASE_SPAN_H
#define CURLEW_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *at;
	size_t len;
};

static inline struct span span_of(const char *text)
{
	struct span s = {text, text != NULL ? strlen(text) : 0};
	return s;
}

static inline struct span span_make(const char *at, size_t len)
{
	struct span s = {at, len};
	return s;
}

static inline bool span_is(struct span s, const char *text)
{
	size_t n = strlen(text);
	return s.len == n && (n == 0 || memcmp(s.at, text, n) == 0);
}

static inline bool span_is_nocase(struct span s, const char *text)
{
	size_t n = strlen(text);
	return s.len == n && (n == 0 || strncasecmp(s.at, text, n) == 0);
}

static inline bool span_same(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_same_nocase(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

static inline bool span_starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && memcmp(s.at, prefix, n) == 0;
}

static inline bool span_starts_nocase(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && strncasecmp(s.at, prefix, n) == 0;
}

/* s without spaces and tabs at both ends (OWS, RFC 9110 5.6.3). */
static inline struct span span_trim(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The rest of s from byte n on. n must not exceed its length. */
static inline struct span span_from(struct span s, size_t n)
{
	return n == 0 ? s : span_make(s.at + n, s.len - n); /* NULL + 0 is undefined in C */
}

/* Takes the next line off the front of *rest, without its LF or CRLF. False at the end. */
static inline bool span_next_line(struct span *rest, struct span *line)
{
	if (rest->len == 0)
		return false;
	const char *lf = (const char *)memchr(rest->at, '\n', rest->len);
	size_t n = lf != NULL ? (size_t)(lf - rest->at) : rest->len;
	*line = span_make(rest->at, n > 0 && rest->at[n - 1] == '\r' ? n - 1 : n);
	*rest = span_from(*rest, lf != NULL ? n + 1 : n);
	return true;
}

/* The value of a hexadecimal digit in either case, or -1. */
static inline int span_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif
