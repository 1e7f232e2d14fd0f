/*
 * Every URL passes through url_parse(), so one place decides what is fetched and under which key.
 *
 * Only the origin knows what path and query mean: a signature may cover their bytes, and "/a%2Fb" and "/a%2fb" may
 * differ there, whatever RFC 3986 says. So they are kept as written, and each spelling is fetched and stored by itself.
 * If two spellings were one key, a client could choose what all others receive. Rules, purges and invalidation must
 * hold for all spellings, and use url_normal().
 *
 * curlew connects to hosts itself, so each host has one spelling. Internationalised names are converted by libidn2, not
 * by libcurl, which converts from the character set of the locale: that fails when LC_CTYPE is C, as in services and
 * cron jobs. Setting LC_CTYPE would need an installed UTF-8 locale, and the key needs the ASCII name before libcurl
 * sees it. libcurl depends on libidn2 anyway.
 */
#include "http/url.h"

#include "http/authority.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>

void url_init(struct url *url)
{
	memset(url, 0, sizeof *url);
	buf_init(&url->query, BUF_HEAD);
}

void url_fini(struct url *url)
{
	free(url->host);
	free(url->path);
	buf_fini(&url->query);
	url_init(url);
}

/* --- bytes --- */

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(unsigned char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* The bytes, apart from control bytes, that no URI may contain (RFC 3986 appendix A). */
static bool is_in_no_uri(unsigned char c)
{
	return c == ' ' || c >= 0x80 || is_one_of(c, "\"<>\\^`{|}");
}

int url_escape(struct span s)
{
	if (s.len < 3 || s.at[0] != '%' || span_hex_digit(s.at[1]) < 0 || span_hex_digit(s.at[2]) < 0)
		return -1;
	return span_hex_digit(s.at[1]) * 16 + span_hex_digit(s.at[2]);
}

static void add_escaped(struct buf *out, unsigned char c)
{
	buf_addf(out, "%%%02X", c);
}

size_t url_until(struct span s, const char *stops)
{
	size_t n = 0;
	while (n < s.len && !is_one_of((unsigned char)s.at[n], stops))
		n++;
	return n;
}

bool url_take_scheme(struct span *s, bool *secure)
{
	*secure = span_starts_nocase(*s, "https://");
	if (!*secure && !span_starts_nocase(*s, "http://"))
		return false;
	*s = span_from(*s, *secure ? 8 : 7);
	return true;
}

/* --- path and query --- */

int url_add_written(struct span s, bool lenient, struct buf *out)
{
	size_t from = 0;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c < 0x20 || c == 0x7f || (c == ' ' && !lenient))
			return -1;
		if (!is_in_no_uri(c))
			continue;
		buf_add(out, s.at + from, i - from);
		add_escaped(out, c);
		from = i + 1;
	}
	buf_addspan(out, span_from(s, from));
	return out->failed ? -1 : 0;
}

/* True when out ends in a "%" that begins no escape, with or without one hex digit after it. A digit decoded after that
 * would make a new escape, and normalising twice would differ from once. */
static bool ends_in_bare_percent(const struct buf *out)
{
	return (out->len >= 1 && out->data[out->len - 1] == '%') || (out->len >= 2 && out->data[out->len - 2] == '%');
}

static bool is_plain(int c, const struct buf *out)
{
	bool unreserved = is_alnum((unsigned char)c) || is_one_of((unsigned char)c, "-._~");
	return unreserved && !(span_hex_digit((char)c) >= 0 && ends_in_bare_percent(out));
}

/* A "%" that begins no escape stays: only the origin knows what it means. */
int url_add_normal(struct span s, struct buf *out)
{
	while (s.len > 0) {
		int escape = url_escape(s);
		if (escape >= 0 && is_plain(escape, out))
			buf_addc(out, (char)escape);
		else if (escape >= 0)
			add_escaped(out, (unsigned char)escape);
		else
			buf_addc(out, s.at[0]);
		s = span_from(s, escape >= 0 ? 3 : 1);
	}
	return out->failed ? -1 : 0;
}

void url_remove_dots(char *path)
{
	size_t out = 0;
	for (const char *at = path; *at == '/';) {
		const char *segment = at + 1;
		size_t n = strcspn(segment, "/");
		bool last = segment[n] == '\0', one = n == 1 && segment[0] == '.',
		     two = n == 2 && segment[0] == '.' && segment[1] == '.';
		at = segment + n;
		while (two && out > 0 && path[--out] != '/')
			;
		if (one || two) {
			if (last)
				path[out++] = '/';
			continue;
		}
		memmove(path + out, segment - 1, n + 1);
		out += n + 1;
	}
	path[out] = '\0';
}

/* How many dots a segment consists of, however escaped; 0 when there is anything else in it. */
static size_t count_dots(struct span segment)
{
	size_t dots = 0;
	while (segment.len > 0) {
		size_t n = segment.at[0] == '.' ? 1 : url_escape(segment) == '.' ? 3 : 0;
		if (n == 0)
			return 0;
		segment = span_from(segment, n);
		dots++;
	}
	return dots;
}

static bool has_dot_segment(struct span path)
{
	for (size_t n; path.len > 0; path = span_from(path, n)) {
		path = span_from(path, 1);
		n = url_until(path, "/");
		size_t dots = count_dots(span_make(path.at, n));
		if (dots == 1 || dots == 2)
			return true;
	}
	return false;
}

/* The length of a piece of a segment: up to an escaped slash or backslash. */
static size_t until_escaped_slash(struct span segment)
{
	size_t n = 0;
	for (int escape; n < segment.len; n++)
		if ((escape = url_escape(span_from(segment, n))) == '/' || escape == '\\')
			break;
	return n;
}

/* Follows one segment of a path. Servers differ: to many, an escaped slash separates segments too, and to some "..;x"
 * is
 * "..". So a segment leads down once at most, and up as often as some server would go. True: it leads out. */
static bool climbs_in(struct span segment, size_t *depth)
{
	bool down = false;
	for (size_t n; segment.len > 0; segment = span_from(segment, n < segment.len ? n + 3 : n)) {
		n = until_escaped_slash(segment);
		struct span name = span_make(segment.at, n);
		name.len = url_until(name, ";");
		size_t dots = count_dots(name);
		if (dots == 2 && *depth == 0)
			return true;
		if (dots == 2) {
			--*depth;
		} else if (name.len > 0 && dots != 1 && !down) {
			++*depth;
			down = true;
		}
	}
	return false;
}

bool url_climbs(const char *path)
{
	struct span rest = span_of(path);
	size_t depth = 0;
	for (size_t n; rest.len > 0; rest = span_from(rest, n)) {
		rest = span_from(rest, 1);
		n = url_until(rest, "/");
		if (climbs_in(span_make(rest.at, n), &depth))
			return true;
	}
	return false;
}

/* Most URLs are in normal form. They cost one look at each byte and no memory. */
static bool is_normal(struct span path, struct span query)
{
	struct span both = span_make(path.at, path.len + query.len);
	for (size_t i = 0; i < both.len; i++) {
		int escape = both.at[i] == '%' ? url_escape(span_from(both, i)) : -1;
		if (escape < 0)
			continue;
		bool capitals = !(both.at[i + 1] >= 'a') && !(both.at[i + 2] >= 'a');
		if (!capitals || is_alnum((unsigned char)escape) || is_one_of((unsigned char)escape, "-._~"))
			return false;
	}
	return !has_dot_segment(path);
}

int url_normal(const char *url, char **normal)
{
	*normal = NULL;
	const char *authority = strstr(url, "://");
	const char *path = authority != NULL ? strchr(authority + 3, '/') : NULL;
	if (path == NULL)
		return 0;
	struct span query = span_of(path + strcspn(path, "?"));
	struct span written = span_make(path, (size_t)(query.at - path));
	if (is_normal(written, query))
		return 0;
	struct buf out;
	buf_init(&out, BUF_HEAD);
	buf_add(&out, url, (size_t)(path - url));
	if (url_add_normal(written, &out) == 0) {
		url_remove_dots(out.data + (path - url));
		out.len = strlen(out.data);
		url_add_normal(query, &out);
	}
	if (!out.failed && strcmp(buf_str(&out), url) != 0)
		*normal = buf_take(&out);
	int rc = out.failed ? -1 : 0;
	buf_fini(&out);
	return rc;
}

/* --- hosts --- */

/* Letters, digits, dots, hyphens and underscores: what names in use are made of. RFC 3986 allows more; no resolver
 * does. */
static bool is_host_name(const char *host)
{
	for (const char *p = host; *p != '\0'; p++)
		if (!is_alnum((unsigned char)*p) && !is_one_of((unsigned char)*p, ".-_"))
			return false;
	return host[0] != '\0' && host[0] != '.' && strstr(host, "..") == NULL; /* labels have letters (RFC 1123 2.1) */
}

/* The address in its one spelling; NULL: it is none. text: with brackets. */
static char *normalise_ipv6(struct span text)
{
	char bare[INET6_ADDRSTRLEN], spelled[INET6_ADDRSTRLEN];
	struct in6_addr address;
	struct buf out;
	if (text.len < 4 || text.len - 2 >= sizeof bare || text.at[text.len - 1] != ']')
		return NULL;
	memcpy(bare, text.at + 1, text.len - 2);
	bare[text.len - 2] = '\0';
	if (inet_pton(AF_INET6, bare, &address) != 1 || inet_ntop(AF_INET6, &address, spelled, sizeof spelled) == NULL)
		return NULL;
	buf_init(&out, BUF_LINE);
	buf_addf(&out, "[%s]", spelled);
	char *taken = out.failed ? NULL : buf_take(&out);
	buf_fini(&out);
	return taken;
}

/* A name in ASCII, lower case, without the root's dot, which names no other host; after a number that dot would hide an
 * address. All spellings of an IPv4 address become one. */
static char *normalise_name(const char *name)
{
	struct in_addr address;
	char spelled[INET_ADDRSTRLEN];
	if (!is_host_name(name))
		return NULL;
	size_t len = strlen(name), rooted = name[len - 1] == '.' ? 1 : 0;
	char *copy = strndup(name, len - rooted);
	const char *dot = copy != NULL ? strrchr(copy, '.') : NULL, *last = dot != NULL ? dot + 1 : copy;
	if (copy == NULL || (rooted && *last >= '0' && *last <= '9')) {
		free(copy);
		return NULL;
	}
	if (copy[0] >= '0' && copy[0] <= '9' && inet_aton(copy, &address) != 0 &&
	    inet_ntop(AF_INET, &address, spelled, sizeof spelled) != NULL) {
		free(copy);
		return strdup(spelled);
	}
	for (char *p = copy; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	return copy;
}

/* An internationalised name (RFC 5890) in ASCII, as browsers read it (UTS #46), or as curl does where they would
 * refuse. */
static char *to_ascii(const char *name)
{
	uint8_t *ascii = NULL;
	if (idn2_lookup_u8((const uint8_t *)name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK &&
	    idn2_lookup_u8((const uint8_t *)name, &ascii, IDN2_NFC_INPUT | IDN2_TRANSITIONAL) != IDN2_OK)
		return NULL;
	char *copy = strdup((const char *)ascii);
	idn2_free(ascii);
	return copy;
}

char *url_host(struct span host)
{
	struct buf plain;
	bool ascii = true;
	char *result = NULL, *converted = NULL;
	if (host.len > 0 && host.at[0] == '[')
		return normalise_ipv6(host);
	buf_init(&plain, BUF_LINE);
	while (host.len > 0) {
		int escape = url_escape(host);
		unsigned char c = escape >= 0 ? (unsigned char)escape : (unsigned char)host.at[0];
		ascii = ascii && c < 0x80;
		if (c == '\0')
			goto out; /* it would end the name early */
		buf_addc(&plain, (char)c);
		host = span_from(host, escape >= 0 ? 3 : 1);
	}
	if (plain.failed)
		goto out;
	if (!ascii)
		converted = to_ascii(buf_str(&plain));
	if (ascii || converted != NULL) /* a conversion may bring bytes that are in no host */
		result = normalise_name(ascii ? buf_str(&plain) : converted);
out:
	free(converted);
	buf_fini(&plain);
	return result;
}

/* --- the whole --- */

static int default_port(bool secure)
{
	return secure ? 443 : 80;
}

/* The port is split off before the host is decoded, so that no escape can make one. */
static int read_authority(struct span text, struct url *url)
{
	const char *end = text.len > 0 && text.at[0] == '[' ? memchr(text.at, ']', text.len) : NULL;
	size_t n = end != NULL ? (size_t)(end - text.at) + 1 : url_until(text, ":");
	struct span rest = span_from(text, n);
	if (rest.len > 0 && rest.at[0] != ':')
		return -1;
	int port = authority_port(span_from(rest, rest.len > 0 ? 1 : 0));
	if (port == 0 || port < AUTHORITY_NO_PORT)
		return -1;
	url->port = port == AUTHORITY_NO_PORT ? default_port(url->secure) : port;
	url->host = url_host(span_make(text.at, n));
	return url->host != NULL ? 0 : -1;
}

int url_parse(struct span text, bool lenient, struct url *url)
{
	int result = -1;
	struct buf path;
	text.len = url_until(text, "#");
	if (!url_take_scheme(&text, &url->secure))
		return -1;
	struct span authority = span_make(text.at, url_until(text, "/?"));
	text = span_from(text, authority.len);
	struct span written = span_make(text.at, url_until(text, "?"));
	/* A backslash is a slash to some readers (WHATWG URL): no path that means two things. */
	if (written.len > 0 && memchr(written.at, '\\', written.len) != NULL)
		return -1;
	buf_init(&path, BUF_HEAD);
	if (written.len == 0)
		buf_addc(&path, '/');
	if (url_add_written(written, lenient, &path) == 0 &&
	    url_add_written(span_from(text, written.len), lenient, &url->query) == 0 &&
	    read_authority(authority, url) == 0) {
		url->path = buf_take(&path);
		result = url->path != NULL ? 0 : -1;
	}
	buf_fini(&path);
	return result;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}

struct span url_base_path(const struct url *url)
{
	struct span path = span_of(url->path);
	while (path.len > 0 && path.at[path.len - 1] == '/')
		path.len--;
	return path;
}

void url_add_authority(struct buf *out, const struct url *url)
{
	buf_adds(out, url->host);
	if (url->port != default_port(url->secure))
		buf_addf(out, ":%d", url->port);
}

void url_add_origin(struct buf *out, const struct url *url)
{
	buf_adds(out, url->secure ? "https://" : "http://");
	url_add_authority(out, url);
}

void url_add_path(struct buf *out, const struct url *url)
{
	buf_adds(out, url->path);
	buf_addspan(out, buf_span(&url->query));
}

char *url_compose(const struct url *url)
{
	struct buf out;
	buf_init(&out, BUF_HEAD);
	url_add_origin(&out, url);
	url_add_path(&out, url);
	char *text = out.failed ? NULL : buf_take(&out);
	buf_fini(&out);
	return text;
}
