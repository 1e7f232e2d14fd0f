/*
 * Every URL passes through url_parse(), whoever wrote it: one place decides what is fetched and
 * what it is called.
 *
 * What libcurl's URL API does here: it reads the authority (all spellings of an IPv4 address become
 * one) and removes dot segments. What it does not do is done around it, because a cache that takes
 * two spellings for two things stores twice, and one that takes two things for one serves the wrong
 * answer: host to lower case, escapes normalised before the dot segments go (else %2e%2e would
 * outlive them), IPv6 in one spelling, an empty query kept apart from none. And libcurl is lenient
 * where a proxy must not be, so the authority's bytes are judged before it sees them.
 */
#include "http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
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

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(unsigned char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte an escape at the front of s stands for; -1 when there is none. */
static int read_escape(struct span s)
{
	if (s.len < 3 || s.at[0] != '%' || hex_digit(s.at[1]) < 0 || hex_digit(s.at[2]) < 0)
		return -1;
	return hex_digit(s.at[1]) * 16 + hex_digit(s.at[2]);
}

static void add_escaped(struct buf *out, unsigned char c)
{
	buf_addf(out, "%%%02X", c);
}

/* True when out ends in a "%" that began no escape, or in that and one hex digit: a digit decoded
 * behind it would make an escape nobody wrote, and normalising twice would not be the same as once.
 */
static bool ends_in_bare_percent(const struct buf *out)
{
	return (out->len >= 1 && out->data[out->len - 1] == '%') ||
	       (out->len >= 2 && out->data[out->len - 2] == '%');
}

static bool is_plain(int c, const struct buf *out)
{
	bool unreserved = is_alnum((unsigned char)c) || is_one_of((unsigned char)c, "-._~");
	return unreserved && !(hex_digit((char)c) >= 0 && ends_in_bare_percent(out));
}

/*
 * Path, query or fragment in normal form: escapes of unreserved bytes decoded, the others in upper
 * case (RFC 3986 6.2.2), bytes that are in no URI escaped. A "%" that begins no escape stays, as
 * origins know what they meant by it. lenient: a space, which people and careless servers write, is
 * escaped rather than refused. 0, or -1.
 */
int url_add_normal(struct span s, bool lenient, struct buf *out)
{
	while (s.len > 0) {
		unsigned char c = (unsigned char)s.at[0];
		int escape = read_escape(s);
		if (escape >= 0 && is_plain(escape, out))
			buf_addc(out, (char)escape);
		else if (escape >= 0)
			add_escaped(out, (unsigned char)escape);
		else if (c < 0x20 || c == 0x7f || (c == ' ' && !lenient))
			return -1;
		else if (c == ' ' || c >= 0x80)
			add_escaped(out, c);
		else
			buf_addc(out, (char)c);
		s = span_from(s, escape >= 0 ? 3 : 1);
	}
	return out->failed ? -1 : 0;
}

/* Bytes of an authority we know how to name: no user, no escapes, no IPv6 zone; and a name in it,
 * not only dots. */
static bool is_authority(struct span s)
{
	bool named = false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (!is_alnum(c) && !is_one_of(c, "-._~[]:"))
			return false;
		named = named || is_alnum(c) || c == '[';
	}
	return named && s.at[0] != ':';
}

/* Letters, digits, dots, hyphens and underscores: what names in use are made of. RFC 3986 allows more; no resolver does. */
static bool is_host_name(const char *host)
{
	for (const char *p = host; *p != '\0'; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') && *p != '.' &&
		    *p != '-' && *p != '_')
			return false;
	return host[0] != '\0' && host[0] != '.' && strstr(host, "..") == NULL; /* labels have letters (RFC 1123 2.1) */
}

/* A host in its one spelling; NULL: no memory, no name or no address. */
static char *normalise_host(const char *host)
{
	if (host[0] != '[' && !is_host_name(host))
		return NULL;
	if (host[0] != '[') {
		/* The root's dot names no other host; behind a number it would hide an address. */
		size_t len = strlen(host), rooted = host[len - 1] == '.' ? 1 : 0;
		char *copy = strndup(host, len - rooted);
		const char *dot = copy != NULL ? strrchr(copy, '.') : NULL, *last = dot != NULL ? dot + 1 : copy;
		if (rooted && copy != NULL && *last >= '0' && *last <= '9') {
			free(copy);
			return NULL;
		}
		for (char *p = copy; p != NULL && *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p + ('a' - 'A'));
		return copy;
	}
	char bare[INET6_ADDRSTRLEN + 2], text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t n = strlen(host);
	if (n < 3 || n - 2 >= sizeof bare)
		return NULL;
	memcpy(bare, host + 1, n - 2);
	bare[n - 2] = '\0';
	if (inet_pton(AF_INET6, bare, &address) != 1 ||
	    inet_ntop(AF_INET6, &address, text, sizeof text) == NULL)
		return NULL;
	struct buf out;
	buf_init(&out, BUF_LINE);
	buf_addf(&out, "[%s]", text);
	char *taken = out.failed ? NULL : buf_take(&out);
	buf_fini(&out);
	return taken;
}

/* Lets libcurl read "scheme://authority/path" and takes the parts over. */
static int read_parts(const char *text, struct url *url)
{
	CURLU *handle = curl_url();
	char *host = NULL, *port = NULL, *path = NULL;
	int result = -1;
	if (handle == NULL || curl_url_set(handle, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    curl_url_get(handle, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(handle, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		goto out;
	url->host = normalise_host(host);
	url->port = atoi(port);
	url->path = strdup(path);
	if (url->host != NULL && url->path != NULL && url->port > 0 && url->port <= 65535)
		result = 0;
out:
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_url_cleanup(handle);
	return result;
}

/* Bytes before the first of the given ones. */
size_t url_until(struct span s, const char *stops)
{
	size_t n = 0;
	while (n < s.len && !is_one_of((unsigned char)s.at[n], stops))
		n++;
	return n;
}

/* Takes "http://" or "https://" off the front. */
bool url_take_scheme(struct span *s, bool *secure)
{
	*secure = span_starts_nocase(*s, "https://");
	if (!*secure && !span_starts_nocase(*s, "http://"))
		return false;
	*s = span_from(*s, *secure ? 8 : 7);
	return true;
}

/* An absolute URL, its fragment left out. 0, or -1 when it is none we fetch. */
int url_parse(struct span text, bool lenient, struct url *url)
{
	int result = -1;
	struct buf plain;
	buf_init(&plain, BUF_HEAD);
	text.len = url_until(text, "#");
	if (!url_take_scheme(&text, &url->secure))
		goto out;
	struct span authority = span_make(text.at, url_until(text, "/?"));
	text = span_from(text, authority.len);
	struct span path = span_make(text.at, url_until(text, "?"));
	/* A backslash is a slash to some readers (WHATWG URL): no path that means two things. */
	if (!is_authority(authority) || (path.len > 0 && memchr(path.at, '\\', path.len) != NULL))
		goto out;
	buf_adds(&plain, url->secure ? "https://" : "http://");
	buf_addspan(&plain, authority);
	if (path.len == 0)
		buf_addc(&plain, '/');
	if (url_add_normal(path, lenient, &plain) != 0 ||
	    url_add_normal(span_from(text, path.len), lenient, &url->query) != 0)
		goto out;
	result = read_parts(buf_str(&plain), url);
out:
	buf_fini(&plain);
	return result;
}

static int default_port(bool secure)
{
	return secure ? 443 : 80;
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
