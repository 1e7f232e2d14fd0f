#include "http/authority.h"

#include <arpa/inet.h>

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* unreserved and sub-delims (RFC 3986 2.2, 2.3), without the comma. */
static bool is_name_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("-._~!$&'()*+;=", c) != NULL);
}

static bool is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '%' && (s.len - i < 3 || !is_hex(s.at[i + 1]) || !is_hex(s.at[i + 2])))
			return false;
		if (s.at[i] != '%' && !is_name_byte(s.at[i]))
			return false;
	}
	return true;
}

/* IPvFuture: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_future_address(struct span s)
{
	size_t digits = 1, i;
	if (s.len == 0 || (s.at[0] != 'v' && s.at[0] != 'V'))
		return false;
	while (digits < s.len && is_hex(s.at[digits]))
		digits++;
	if (digits == 1 || digits >= s.len || s.at[digits] != '.')
		return false;
	for (i = digits + 1; i < s.len; i++)
		if (s.at[i] != ':' && !is_name_byte(s.at[i]))
			return false;
	return i > digits + 1;
}

/* What stands between the brackets. */
static bool is_address(struct span s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	if (s.len >= sizeof text)
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1 || is_future_address(s);
}

int authority_port(struct span digits)
{
	int port = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.at[i] < '0' || digits.at[i] > '9')
			return -2;
		port = port * 10 + (digits.at[i] - '0');
		if (port > 65535)
			return -2;
	}
	return digits.len == 0 ? AUTHORITY_NO_PORT : port;
}

int authority_split(struct span text, struct authority *a)
{
	bool bracketed = text.len > 0 && text.at[0] == '[';
	const char *end = text.len == 0 ? NULL : memchr(text.at, bracketed ? ']' : ':', text.len);
	if (bracketed && (end == NULL || !is_address(span_make(text.at + 1, (size_t)(end - text.at) - 1))))
		return -1;
	size_t n = end == NULL ? text.len : (size_t)(end - text.at) + (bracketed ? 1 : 0);
	struct span rest = span_from(text, n);
	a->host = span_make(text.at, n);
	if (!bracketed && !is_name(a->host))
		return -1;
	if (rest.len > 0 && rest.at[0] != ':')
		return -1;
	a->port = authority_port(span_from(rest, rest.len > 0 ? 1 : 0));
	return a->port < AUTHORITY_NO_PORT ? -1 : 0;
}
