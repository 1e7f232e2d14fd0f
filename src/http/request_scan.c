#include "http/request_scan.h"

#include "http/message.h"

#include <stdint.h>

/* What a byte may be part of: 1 a token (RFC 9110 5.6.2), 2 a field value, 4 a target, 8 a usual name of a host. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, NAME = 8 };

static uint8_t kinds[256];

__attribute__((constructor)) static void make_kinds(void)
{
	for (int c = 0; c < 256; c++) {
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL))
			kinds[c] |= TOKEN;
		if (c == '\t' || (c >= ' ' && c != 127))
			kinds[c] |= VALUE;
		if (c > ' ' && c < 127)
			kinds[c] |= TARGET;
		if (alnum || c == '-' || c == '.')
			kinds[c] |= NAME;
	}
}

static const char *skip(const char *at, const char *end, uint8_t kind)
{
	while (at < end && (kinds[(unsigned char)*at] & kind))
		at++;
	return at;
}

static bool asks_for_thought(struct span name)
{
	static const char *const names[] = {"te", "range", "expect", "pragma", "upgrade", "if-match", "if-range",
	    "cache-control", "if-none-match", "content-length", "if-modified-since", "transfer-encoding",
	    "if-unmodified-since"};
	static const uint32_t lengths =
	    1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 19;
	if (name.len >= 32 || (lengths >> name.len & 1) == 0)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

/* message_is_host(), of which the usual case is decided at once: a name, and a port of up to four digits. */
static bool is_host(struct span value)
{
	const char *end = value.at + value.len, *at = skip(value.at, end, NAME);
	bool port = at < end && *at == ':' && end - at <= 5;
	for (const char *p = at + 1; port && p < end; p++)
		port = *p >= '0' && *p <= '9';
	return at == end || port || message_is_host(value);
}

/* Reads Connection (RFC 9110 7.6.1). False: it has a member that is neither "close" nor "keep-alive", such as the name
 * of a field. */
static bool take_connection(struct request_scan *g, struct span value)
{
	while (value.len > 0) {
		const char *comma = memchr(value.at, ',', value.len);
		size_t n = comma != NULL ? (size_t)(comma - value.at) : value.len;
		struct span member = span_trim(span_make(value.at, n));
		if (span_is_nocase(member, "close"))
			g->close = true;
		else if (span_is_nocase(member, "keep-alive"))
			g->keep_alive = true;
		else
			return false;
		value = span_from(value, comma != NULL ? n + 1 : n);
	}
	return true;
}

/* The names of forwarded_is(). The first letter decides about almost every field. */
static bool is_added_by_proxies(struct span name)
{
	char first = (char)(name.at[0] | 0x20);
	return (first == 'v' && span_is_nocase(name, "via")) || (first == 'f' && span_is_nocase(name, "forwarded")) ||
	       (first == 'x' && (span_is_nocase(name, "x-real-ip") || span_starts_nocase(name, "x-forwarded-")));
}

/* One field line. False: the head is not plain. */
static bool take_field(struct request_scan *g, struct span name, struct span value)
{
	if (name.len == 4 && span_is_nocase(name, "host")) {
		if (g->host.at != NULL || !is_host(value))
			return false;
		g->host = value;
		return true;
	}
	if ((name.len == 6 && span_is_nocase(name, "origin")) || span_starts_nocase(name, "sec-fetch-"))
		g->browser = true;
	if (name.len == 15 && span_is_nocase(name, "accept-encoding"))
		g->codes = true;
	if (is_added_by_proxies(name))
		g->proxied = true;
	if (name.len == 19 && span_is_nocase(name, "proxy-authorization")) {
		if (g->credentials.at != NULL)
			return false;
		g->credentials = value;
	}
	if (name.len == 10 && span_is_nocase(name, "connection"))
		return take_connection(g, value);
	return !asks_for_thought(name);
}

static const char *take_request_line(const char *at, const char *end, struct request_scan *g)
{
	static const char version[] = " HTTP/1.1\r\n";
	enum { MINOR = sizeof version - 4 }; /* the place of its last digit */
	if (end - at < 16)
		return NULL;
	g->head = memcmp(at, "HEAD ", 5) == 0;
	if (!g->head && memcmp(at, "GET ", 4) != 0)
		return NULL;
	at += g->head ? 5 : 4;
	const char *from = at;
	at = skip(at, end, TARGET);
	g->target = span_make(from, (size_t)(at - from));
	if (at == from || end - at < (ptrdiff_t)sizeof version - 1 || memcmp(at, version, MINOR) != 0 ||
	    (at[MINOR] != '0' && at[MINOR] != '1') || at[MINOR + 1] != '\r' || at[MINOR + 2] != '\n')
		return NULL;
	g->minor = at[MINOR] - '0';
	return at + sizeof version - 1;
}

enum { LINE_REST = sizeof "HEAD  HTTP/1.1" - 1 }; /* a request line without its target */

enum request_scan_verdict request_scan(struct span bytes, struct request_scan *g)
{
	const char *at = bytes.at, *end = bytes.at + bytes.len;
	size_t lines = 0;
	memset(g, 0, sizeof *g);
	at = take_request_line(at, end, g);
	while (at != NULL && end - at >= 2) {
		if (at[0] == '\r' && at[1] == '\n') {
			g->bytes = (size_t)(at + 2 - bytes.at);
			if (g->bytes > MESSAGE_HEAD_MAX || g->target.len > MESSAGE_LINE_MAX - LINE_REST)
				return REQUEST_SCAN_OTHER; /* the parser refuses it, or looks closer */
			g->keeps = !g->close && (g->minor > 0 || (g->keep_alive && g->target.at[0] == '/'));
			return g->host.at != NULL || g->minor == 0 ? REQUEST_SCAN_PLAIN : REQUEST_SCAN_OTHER;
		}
		const char *name = at;
		at = skip(at, end, TOKEN);
		const char *colon = at;
		if (at == name || at == end || *at != ':')
			break;
		at = skip(at + 1, end, VALUE);
		if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
			break;
		struct span value = span_trim(span_make(colon + 1, (size_t)(at - colon) - 1));
		if (++lines > MESSAGE_FIELDS_MAX || !take_field(g, span_make(name, (size_t)(colon - name)), value))
			break;
		at += 2;
	}
	return REQUEST_SCAN_OTHER;
}
