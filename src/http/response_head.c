#include "http/response_head.h"

#include "http/field.h"
#include "http/groups.h"
#include "http/site.h"
#include "http/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void response_head_say(struct response_head *r, const char *format, ...)
{
	size_t n = strlen(r->cache_status);
	if (n == 0)
		n = (size_t)snprintf(r->cache_status, sizeof r->cache_status, "curlew");
	if (n + 3 >= sizeof r->cache_status)
		return;
	memcpy(r->cache_status + n, "; ", 3);
	va_list ap;
	va_start(ap, format);
	vsnprintf(r->cache_status + n + 2, sizeof r->cache_status - n - 2, format, ap);
	va_end(ap);
}

/* As the inside of a structured string (RFC 8941 3.3.3). False when it did not fit. */
static bool make_safe(const char *text, char *safe, size_t size)
{
	size_t n = 0;
	for (; *text != '\0' && n < size - 2; text++) {
		if (*text == '"' || *text == '\\')
			safe[n++] = '\\';
		safe[n++] = *text >= ' ' && *text <= '~' ? *text : ' ';
	}
	safe[n] = '\0';
	return *text == '\0';
}

void response_head_key(struct response_head *r, const char *url)
{
	char safe[256];
	size_t used = strlen(r->cache_status);
	static const char by_rule[] = "detail=\"rule ";
	const char *detail = strstr(r->cache_status, "detail=");
	bool plain_hit = strncmp(r->cache_status, "curlew; hit", 11) == 0 &&
			 (detail == NULL || strncmp(detail, by_rule, sizeof by_rule - 1) == 0);
	if (!plain_hit && make_safe(url, safe, sizeof safe) &&
	    used + strlen(safe) + sizeof "; key=\"\"" <= sizeof r->cache_status)
		response_head_say(r, "key=\"%s\"", safe);
}

bool response_head_is_bodiless(int status)
{
	return (status >= 100 && status < 200) || status == 204 || status == 304;
}

/* A user may write anything into a row, so framing fields of the row are never sent. */
bool response_head_is_framing(struct span name)
{
	static const char *const framing[] = {"Content-Length", "Transfer-Encoding", "Connection"};
	for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++)
		if (span_is_nocase(name, framing[i]))
			return true;
	return false;
}

static bool may_pass(struct span line, struct span name)
{
	return message_is_token(name) && memchr(line.at, '\r', line.len) == NULL && !response_head_is_framing(name);
}

/* reused: the line was made for another client. */
static void add_cookie(struct buf *out, struct span line, struct span name, const struct response_head *r, bool reused)
{
	struct buf value;
	if (r->no_cookies || (reused && r->reused))
		return;
	buf_init(&value, BUF_HEAD);
	struct span as_came = span_trim(span_from(line, name.len + 1));
	if (r->cookie_host == NULL)
		buf_addspan(&value, as_came);
	if (r->cookie_host == NULL || site_cookie(as_came, span_of(r->cookie_host), &value))
		buf_addf(
		    out, "%.*s: %.*s\r\n", (int)name.len, name.at, (int)value.len, value.len > 0 ? value.data : "");
	buf_fini(&value);
}

static void add_lines(struct buf *out, struct span lines, const struct response_head *r, bool reused)
{
	struct span line;
	while (span_next_line(&lines, &line)) {
		const char *colon = memchr(line.at, ':', line.len);
		struct span name = colon != NULL ? span_make(line.at, (size_t)(colon - line.at)) : span_make(NULL, 0);
		if (!may_pass(line, name) || (r->location != NULL && span_is_nocase(name, "Location")))
			continue;
		if (r->no_cookies && span_is_nocase(name, "Clear-Site-Data"))
			continue;
		if (!r->keeps_tags && groups_is_internal(name))
			continue;
		if (field_is_cookie(name)) {
			add_cookie(out, line, name, r, reused);
			continue;
		}
		buf_addspan(out, line);
		buf_add(out, "\r\n", 2);
	}
}

/* The two functions of a hit run once for each hit from memory. printf() would take more time than all the rest. */

static char *put_text(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}

#define PUT(at, literal) put_text(at, literal, sizeof literal - 1)

static char *put_number(char *at, int64_t n)
{
	char digits[20]; /* of the largest 64 bit number */
	size_t first = sizeof digits;
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do
		digits[--first] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*at++ = '-';
	return put_text(at, digits + first, sizeof digits - first);
}

static char *put_hit(char *at, int64_t ttl_s, int64_t rule)
{
	at = put_number(PUT(at, "hit; ttl="), ttl_s);
	return rule == 0 ? at : PUT(put_number(PUT(at, "; detail=\"rule "), rule), ": fresh_for_s\"");
}

size_t response_head_hit(char out[RESPONSE_HEAD_HIT], int64_t ttl_s, int64_t rule)
{
	char *end = put_hit(out, ttl_s, rule);
	*end = '\0';
	return (size_t)(end - out);
}

size_t response_head_write_hit(char out[RESPONSE_HEAD_HIT_LINES], int64_t age_s, int64_t ttl_s, int64_t rule)
{
	char *at = put_number(PUT(out, "Age: "), age_s);
	at = put_hit(PUT(at, "\r\nCache-Status: curlew; "), ttl_s, rule);
	return (size_t)(PUT(at, "\r\n") - out);
}

static void add_field(struct buf *out, const char *name, const char *value)
{
	buf_adds(out, name);
	buf_adds(out, value);
	buf_add(out, "\r\n", 2);
}

void response_head_write(struct buf *out, const struct response_head *r)
{
	buf_adds(out, "HTTP/1.1 ");
	buf_addi(out, r->status);
	add_field(out, " ", status_reason(r->status));
	add_lines(out, r->fields, r, true);
	add_lines(out, r->cookies, r, false);
	add_lines(out, r->extra, r, false);
	if (r->encodes)
		buf_adds(out, "Vary: Accept-Encoding\r\n");
	if (r->sandbox)
		buf_adds(
		    out, "Content-Security-Policy: sandbox allow-scripts allow-forms allow-popups allow-downloads\r\n");
	if (r->location != NULL)
		add_field(out, "Location: ", r->location);
	if (r->via != NULL) {
		buf_adds(out, "Via: ");
		buf_adds(out, r->received != NULL ? r->received : "1.1");
		add_field(out, " ", r->via);
	}
	if (r->age_s >= 0) {
		buf_adds(out, "Age: ");
		buf_addi(out, r->age_s);
		buf_add(out, "\r\n", 2);
	}
	if (r->cache_status[0] != '\0')
		add_field(out, "Cache-Status: ", r->cache_status);
}
