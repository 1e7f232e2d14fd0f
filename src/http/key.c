#include "http/key.h"

#include "http/authority.h"
#include "http/url.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* The text, given away; NULL when it did not fit. */
static char *finish(struct buf *out)
{
	char *text = out->failed ? NULL : buf_take(out);
	buf_fini(out);
	return text;
}

static char *parse_and_compose(struct span text, bool resolve)
{
	struct url url;
	url_init(&url);
	char *result = NULL;
	if (url_parse(text, true, &url) == 0) {
		if (resolve)
			url_remove_dots(url.path);
		result = url_compose(&url);
	}
	url_fini(&url);
	return result;
}

char *key_of_url(const char *url, const char *default_scheme)
{
	struct span text = span_trim(span_of(url));
	bool secure;
	struct span after = text;
	if (url_take_scheme(&after, &secure))
		return parse_and_compose(text, false);
	/* "name:/" has another scheme, not a host. url_parse() refuses "name:" with a port that is not digits. */
	size_t n = url_until(text, ":/?");
	if (n + 1 < text.len && text.at[n] == ':' && text.at[n + 1] == '/')
		return NULL;
	struct buf whole;
	buf_init(&whole, BUF_HEAD);
	buf_addf(&whole, "%s://", default_scheme);
	buf_addspan(&whole, text);
	char *result = whole.failed ? NULL : parse_and_compose(buf_span(&whole), false);
	buf_fini(&whole);
	return result;
}

struct span key_origin(const char *key)
{
	const char *host = strstr(key, "://");
	size_t n = host != NULL ? (size_t)(host - key) + 3 : 0;
	n += strcspn(key + n, "/");
	return span_make(key, n + (key[n] == '/'));
}

int key_normal(const char *key, char **normal)
{
	return url_normal(key, normal);
}

char *key_normalise(const char *url, const char *default_scheme)
{
	char *normal = NULL, *key = key_of_url(url, default_scheme);
	if (key == NULL || (key_normal(key, &normal) == 0 && normal == NULL))
		return key;
	free(key);
	return normal;
}

/* True when the reference begins with a scheme: a relative reference has no colon before its first slash (RFC
 * 3986 4.2). */
static bool has_scheme(struct span s)
{
	size_t n = url_until(s, ":/?");
	return n < s.len && s.at[n] == ':';
}

/* RFC 3986 5.2.2. Escaped dot segments stay: only the origin knows what they mean. */
char *key_resolve(const char *base, struct span reference)
{
	reference = span_trim(reference);
	reference.len = url_until(reference, "#");
	if (has_scheme(reference))
		return parse_and_compose(reference, true);
	struct span root = span_of(base);
	bool secure;
	if (!url_take_scheme(&root, &secure))
		return NULL;
	size_t scheme_bytes = secure ? 8 : 7;
	size_t authority_end = scheme_bytes + url_until(root, "/?#");
	struct span path = span_from(span_of(base), authority_end);
	path.len = url_until(path, "?#");
	size_t keep;
	if (span_starts(reference, "//"))
		keep = scheme_bytes - 2;
	else if (span_starts(reference, "/"))
		keep = authority_end;
	else if (reference.len == 0)
		keep = authority_end + url_until(span_from(span_of(base), authority_end), "#");
	else if (reference.at[0] == '?')
		keep = authority_end + path.len;
	else {
		while (path.len > 0 && path.at[path.len - 1] != '/')
			path.len--;
		keep = authority_end + path.len;
	}
	struct buf whole;
	buf_init(&whole, BUF_HEAD);
	buf_add(&whole, base, keep);
	if (keep == authority_end && reference.len > 0 && reference.at[0] != '/')
		buf_addc(&whole, '/');
	buf_addspan(&whole, reference);
	char *result = whole.failed ? NULL : parse_and_compose(buf_span(&whole), true);
	buf_fini(&whole);
	return result;
}

bool key_same_origin(const char *a, const char *b)
{
	struct url x, y;
	url_init(&x);
	url_init(&y);
	bool same =
	    url_parse(span_of(a), true, &x) == 0 && url_parse(span_of(b), true, &y) == 0 && url_same_origin(&x, &y);
	url_fini(&x);
	url_fini(&y);
	return same;
}

/* --- request targets --- */

static int refuse(struct fault *fault, int status, const char *why)
{
	fault->status = status;
	fault->why = why;
	return -1;
}

static const char not_a_url[] = "this URL cannot be fetched (it must be http or https, without a user)";

/* Gives the parts of url away. */
static int take_url(struct key_target *out, struct url *url, struct fault *fault)
{
	out->url = url_compose(url);
	if (out->url == NULL)
		return refuse(fault, 414, "the URL is too long");
	out->host = url->host;
	url->host = NULL;
	out->port = url->port;
	out->secure = url->secure;
	return 0;
}

/* CONNECT (RFC 9110 9.3.6): the port must be present. */
static int read_tunnel(struct span target, struct key_target *out, struct fault *fault)
{
	const char *colon = memrchr(target.at, ':', target.len);
	size_t digits = colon == NULL ? 0 : target.len - (size_t)(colon - target.at) - 1;
	bool plain = url_until(target, "/?#") == target.len;
	for (size_t i = target.len - digits; i < target.len; i++)
		plain = plain && target.at[i] >= '0' && target.at[i] <= '9';
	struct url url;
	struct buf text;
	url_init(&url);
	buf_init(&text, BUF_HEAD);
	buf_adds(&text, "http://");
	buf_addspan(&text, target);
	int result = -1;
	if (digits > 0 && plain && url_parse(buf_span(&text), false, &url) == 0) {
		out->form = KEY_TUNNEL;
		out->host = url.host;
		out->port = url.port;
		url.host = NULL;
		result = 0;
	}
	buf_fini(&text);
	url_fini(&url);
	if (result != 0)
		refuse(fault, 400, "CONNECT needs host:port (RFC 9110 9.3.6)");
	return result;
}

/* --origin: path and query come from the client, scheme and host from --origin. If --origin has a path, a target that
 * leaves it by dot segments is refused, because it would be sent as written. */
static int map_to_origin(const char *origin, struct span text, struct key_target *out, struct fault *fault)
{
	struct url home, url;
	struct buf path;
	url_init(&home);
	url_init(&url);
	buf_init(&path, BUF_HEAD);
	int result = -1;
	if (url_parse(span_of(origin), true, &home) != 0)
		refuse(fault, 500, "--origin is not an http or https URL");
	else if (url_parse(text, false, &url) != 0)
		refuse(fault, 400,
		    "the request target is no URL (its host is malformed, or a byte in it must be percent-encoded)");
	else if (url_base_path(&home).len > 0 && url_climbs(url.path))
		refuse(fault, 400, "the path leads out of the path of --origin");
	else {
		buf_addspan(&path, url_base_path(&home));
		buf_adds(&path, url.path);
		free(home.path);
		home.path = finish(&path);
		buf_addspan(&home.query, buf_span(&url.query));
		if (home.path == NULL)
			refuse(fault, 414, "the URL is too long");
		else
			result = take_url(out, &home, fault);
	}
	buf_fini(&path);
	url_fini(&home);
	url_fini(&url);
	return result;
}

static int read_absolute(struct span target, struct key_target *out, struct fault *fault)
{
	struct url url;
	url_init(&url);
	int result = -1;
	out->form = KEY_ABSOLUTE;
	if (url_parse(target, false, &url) != 0)
		refuse(fault, 400, not_a_url);
	else
		result = take_url(out, &url, fault);
	url_fini(&url);
	return result;
}

/* The path as a file name in --root, decoded once. NULL when it has bytes that no file name has (NUL, an escaped
 * slash), or
 * "." and ".." segments. */
static char *decode_file(struct span path)
{
	struct buf out;
	buf_init(&out, BUF_HEAD);
	while (path.len > 0 && !out.failed) {
		int c = (unsigned char)path.at[0];
		bool escaped = c == '%';
		if (escaped)
			c = url_escape(path);
		if (c <= 0 || (escaped && c == '/'))
			out.failed = true;
		else
			buf_addc(&out, (char)c);
		path = span_from(path, escaped && path.len >= 3 ? 3 : 1);
	}
	struct span rest = buf_span(&out);
	for (size_t n; !out.failed; rest = span_from(rest, n + 1)) {
		n = url_until(rest, "/");
		struct span segment = span_make(rest.at, n);
		if (span_is(segment, ".") || span_is(segment, ".."))
			out.failed = true;
		if (n == rest.len)
			break;
	}
	return finish(&out);
}

/* Removes an explicit scheme from the text after the first "/": "https://", or "https:/", because clients and proxies
 * collapse slashes. 1: removed; 0: there is none; -1: another scheme, or more slashes. */
static int take_scheme(struct span *rest, const char **scheme)
{
	size_t n = url_until(*rest, ":/?");
	if (n == 0 || n + 1 >= rest->len || rest->at[n] != ':' || rest->at[n + 1] != '/')
		return 0;
	struct span name = span_make(rest->at, n);
	if (span_is_nocase(name, "http"))
		*scheme = "http";
	else if (span_is_nocase(name, "https"))
		*scheme = "https";
	else
		return -1;
	*rest = span_from(*rest, n + 2);
	if (span_starts(*rest, "/"))
		*rest = span_from(*rest, 1);
	return span_starts(*rest, "/") ? -1 : 1;
}

/* Moves one path segment to out, with the marks of scheme and host decoded: pip and others write ":" and brackets in a
 * path as escapes. */
static void move_segment(struct span *from, struct buf *out)
{
	while (from->len > 0 && from->at[0] != '/' && from->at[0] != '?') {
		int escape = url_escape(*from);
		bool mark = escape == ':' || escape == '[' || escape == ']';
		buf_addc(out, mark ? (char)escape : from->at[0]);
		*from = span_from(*from, mark ? 3 : 1);
	}
}

/* The text after the first "/", with scheme and host decoded. */
static void decode_front(struct span rest, struct buf *out)
{
	move_segment(&rest, out);
	bool scheme = out->len > 1 && out->data[out->len - 1] == ':';
	while (scheme && span_starts(rest, "/")) {
		buf_addc(out, '/');
		rest = span_from(rest, 1);
	}
	if (scheme)
		move_segment(&rest, out);
	buf_addspan(out, rest);
}

static int read_front(const struct key_settings *settings, struct span rest, struct span file, struct key_target *out,
    struct fault *fault)
{
	const char *scheme = settings->default_scheme;
	out->form = KEY_PREFIX;
	int explicit_scheme = take_scheme(&rest, &scheme);
	if (explicit_scheme < 0)
		return refuse(fault, 400, "only http and https URLs are fetched");
	if (explicit_scheme == 0)
		out->path = decode_file(span_make(file.at, url_until(file, "?")));
	size_t authority_bytes = url_until(rest, "/?");
	if (authority_bytes == 0)
		return refuse(fault, 404, "no host in the path: request /example.com/ or http://example.com/");
	/* "/name:/path" has an unknown scheme, not a host with an empty port. */
	if (rest.at[authority_bytes - 1] == ':')
		return refuse(fault, 400, not_a_url);
	struct buf text;
	struct url url;
	url_init(&url);
	buf_init(&text, BUF_HEAD);
	buf_addf(&text, "%s://", scheme);
	buf_addspan(&text, rest);
	int result = -1;
	if (text.failed || url_parse(buf_span(&text), false, &url) != 0)
		refuse(fault, 400, not_a_url);
	else
		result = take_url(out, &url, fault);
	buf_fini(&text);
	url_fini(&url);
	return result;
}

static int read_prefix(
    const struct key_settings *settings, struct span target, struct key_target *out, struct fault *fault)
{
	struct buf front;
	buf_init(&front, BUF_HEAD);
	decode_front(span_from(target, 1), &front);
	int rc = front.failed ? refuse(fault, 414, "the URL is too long")
			      : read_front(settings, buf_span(&front), span_from(target, 1), out, fault);
	buf_fini(&front);
	return rc;
}

/* "/.curlew" and paths below it, without a query. 1: it is such a path; 0: it is not; -1: out of memory. */
static int read_own(const struct key_settings *settings, struct span path, struct key_target *out)
{
	static const char own[] = "/.curlew";
	path.len = url_until(path, "?");
	if (!span_starts(path, own))
		return 0;
	path = span_from(path, sizeof own - 1);
	if ((path.len > 0 && path.at[0] != '/') ||
	    (settings->origin != NULL && !settings->own_pages && !span_is(path, "/health")))
		return 0;
	out->form = KEY_OWN;
	out->path = strndup(path.at, path.len);
	return out->path == NULL ? -1 : 1;
}

/* "*", a server as a whole (RFC 9112 3.2.4): this one, or the origin of --origin. */
static int read_asterisk(
    const struct key_settings *settings, struct span method, struct key_target *out, struct fault *fault)
{
	if (!span_is(method, "OPTIONS"))
		return refuse(fault, 400, "only OPTIONS is for a server as a whole (RFC 9112 3.2.4)");
	out->asterisk = true;
	out->form = settings->origin != NULL ? KEY_REVERSE : KEY_SERVER;
	return settings->origin != NULL ? map_to_origin(settings->origin, span_of("http://origin/"), out, fault) : 0;
}

/* --- the usual target --- */

/* Nearly every target is a usual host and a path of unreserved bytes, which mean themselves. Its key is composed
 * without parsing. The functions below are strict: what they do not take is read by the complete way, to the same
 * result. */

static bool is_usual_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A lower-case name of letters, digits, single dots and single hyphens inside of labels, or an IPv4 address. */
static bool is_usual_host(struct span s)
{
	char text[64];
	size_t label = 0; /* where the last one begins */
	if (s.len == 0 || s.len >= sizeof text)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool inside =
		    i > 0 && i + 1 < s.len && is_usual_name_byte(s.at[i - 1]) && is_usual_name_byte(s.at[i + 1]);
		if (!is_usual_name_byte(s.at[i]) && (!inside || (s.at[i] != '.' && s.at[i] != '-')))
			return false;
		if (s.at[i] == '.')
			label = i + 1;
	}
	if (s.at[label] > '9')
		return true;
	struct in_addr address;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET, text, &address) == 1;
}

/* A usual host, and a port that is written as it would be composed. */
static bool read_usual_authority(struct span s, bool secure, struct span *host, int *port)
{
	*host = span_make(s.at, url_until(s, ":"));
	struct span digits = span_from(s, host->len);
	*port = secure ? 443 : 80;
	if (digits.len > 0) {
		int standard = *port;
		digits = span_from(digits, 1);
		*port = authority_port(digits);
		if (*port <= 0 || *port == standard || digits.at[0] == '0')
			return false;
	}
	return is_usual_host(*host);
}

/* A path of unreserved bytes without an empty segment or one that begins with a dot. */
static bool is_usual_path(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool plain = is_usual_name_byte(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '~' ||
			     (c == '.' && i > 0 && s.at[i - 1] != '/') || (c == '/' && (i == 0 || s.at[i - 1] != '/'));
		if (!plain)
			return false;
	}
	return s.len > 0 && s.at[0] == '/';
}

/* False: the target is not a usual one, or memory failed; out is empty. */
static bool read_usual(const struct key_settings *settings, struct span target, struct key_target *out)
{
	bool reverse = settings->origin != NULL, secure = strcmp(settings->default_scheme, "https") == 0;
	struct span front = reverse ? span_of(settings->origin) : span_from(target, 1), host;
	if (reverse && !url_take_scheme(&front, &secure))
		return false;
	struct span authority = span_make(front.at, reverse ? front.len : url_until(front, "/"));
	struct span path = reverse ? target : span_from(front, authority.len);
	int port;
	if (!is_usual_path(path) || !read_usual_authority(authority, secure, &host, &port))
		return false;
	struct key_target usual = {.form = reverse ? KEY_REVERSE : KEY_PREFIX, .port = port, .secure = secure};
	struct buf url;
	buf_init(&url, BUF_HEAD);
	buf_adds(&url, secure ? "https://" : "http://");
	buf_addspan(&url, authority);
	buf_addspan(&url, path);
	usual.url = finish(&url);
	usual.host = strndup(host.at, host.len);
	usual.path = reverse ? NULL : strndup(target.at + 1, target.len - 1);
	if (usual.url == NULL || usual.host == NULL || (!reverse && usual.path == NULL)) {
		key_fini(&usual);
		return false;
	}
	*out = usual;
	return true;
}

int key_of_target(const struct key_settings *settings, struct span method, struct span target, struct key_target *out,
    struct fault *fault)
{
	memset(out, 0, sizeof *out);
	if (span_is(method, "CONNECT") && settings->origin != NULL)
		return refuse(fault, 405, "no tunnels here: this is a reverse proxy");
	if (span_is(method, "CONNECT"))
		return read_tunnel(target, out, fault);
	if (span_is(target, "*"))
		return read_asterisk(settings, method, out, fault);
	if (target.len > 0 && target.at[0] == '/' && read_usual(settings, target, out))
		return 0;
	if (target.len == 0 || url_until(target, "#") != target.len)
		return refuse(fault, 400, "a request target has no fragment (RFC 9112 3.2)");
	struct span path = target;
	bool secure;
	bool absolute = url_take_scheme(&path, &secure);
	if (!absolute && target.at[0] != '/')
		return refuse(fault, 400, not_a_url);
	out->asterisk = absolute && span_is(method, "OPTIONS") && url_until(path, "/?") == path.len;
	if (absolute && settings->origin == NULL)
		return read_absolute(target, out, fault);
	/* RFC 9112 3.2.2: a server accepts the absolute form too, with the same meaning. */
	if (absolute)
		path = span_from(path, url_until(path, "/?"));
	int own = read_own(settings, path, out);
	if (own != 0)
		return own > 0 ? 0 : refuse(fault, 503, "out of memory");
	if (settings->origin == NULL)
		return read_prefix(settings, target, out, fault);
	struct buf text;
	buf_init(&text, BUF_HEAD);
	if (!absolute)
		buf_adds(&text, "http://origin");
	buf_addspan(&text, target);
	out->form = KEY_REVERSE;
	int result = map_to_origin(settings->origin, buf_span(&text), out, fault);
	buf_fini(&text);
	return result;
}

void key_fini(struct key_target *target)
{
	free(target->url);
	free(target->host);
	free(target->path);
	memset(target, 0, sizeof *target);
}
