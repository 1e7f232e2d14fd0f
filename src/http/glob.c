/*
 * A typed glob is read in three parts: scheme, authority and the rest. A "[" in the authority may begin an IPv6
 * address. Elsewhere it begins a set if the set is closed and looks like one; otherwise it means itself. Three kinds of
 * brackets belong to a parameter: empty ones ("tag[]="), those around one ordinary character ("a[0]="), and those
 * before "=" in a query ("filter[name]=").
 */
#include "http/glob.h"

#include "http/authority.h"
#include "http/url.h"

#include <stdlib.h>

/* --- matching --- */

/* The next character, as SQLite reads UTF-8, malformed bytes included. */
static unsigned next_char(const char **at)
{
	const unsigned char *p = (const unsigned char *)*at;
	unsigned c = *p++;
	if (c >= 0xc0) {
		c &= c >= 0xf0 ? 0x07 : c >= 0xe0 ? 0x0f : 0x1f;
		while ((*p & 0xc0) == 0x80)
			c = (c << 6) + (0x3f & *p++);
	}
	*at = (const char *)p;
	return c;
}

/* Is c in the set after '['? *pattern moves after the ']'. -1: the set is not closed. A ']' in the first place means
 * itself, and cannot begin a range. */
static int in_set(const char **pattern, unsigned c)
{
	const char *p = *pattern;
	bool inverted = *p == '^', in = false;
	unsigned before = 0, member = next_char(&p);
	if (inverted)
		member = next_char(&p);
	if (member == ']') {
		in = c == ']';
		member = next_char(&p);
	}
	for (; member != ']'; member = next_char(&p)) {
		if (member == 0)
			return -1;
		if (member == '-' && before != 0 && *p != ']' && *p != '\0') {
			unsigned last = next_char(&p);
			in = in || (c >= before && c <= last);
			before = 0;
		} else {
			in = in || c == member;
			before = member;
		}
	}
	*pattern = p;
	return in != inverted;
}

/* Only the last * is retried, because a later one makes earlier ones irrelevant. So matching takes at most length times
 * length steps. */
bool glob_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;
	for (;;) {
		const char *p = pattern, *t = text;
		unsigned want = *p != '\0' ? next_char(&p) : 0;
		if (want == '*') {
			star = pattern = p;
			from = text;
			continue;
		}
		unsigned have = *t != '\0' ? next_char(&t) : 0;
		if (want == 0 && have == 0)
			return true;
		int matches = 0;
		if (have != 0 && want == '[')
			matches = in_set(&p, have);
		else if (have != 0)
			matches = want == '?' || (want == have && want != 0);
		if (matches < 0)
			return false;
		if (matches > 0) {
			pattern = p;
			text = t;
			continue;
		}
		if (star == NULL || *from == '\0')
			return false;
		next_char(&from);
		pattern = star;
		text = from;
	}
}

/* --- reading what a person typed --- */

/* The length of a set at the front of the text; 0 when it is not closed. */
static size_t set_bytes(struct span s)
{
	size_t i = s.len > 1 && s.at[1] == '^' ? 2 : 1;
	if (i < s.len && s.at[i] == ']')
		i++;
	size_t n = i < s.len ? url_until(span_from(s, i), "]") : 0;
	return i + n < s.len ? i + n + 1 : 0;
}

/* The same for a bracket that means a set; 0: it means itself. */
static size_t meant_set_bytes(struct span s, bool query)
{
	size_t n = set_bytes(s);
	if (n == 0 || (s.at[1] == ']' && n != 3))
		return 0;
	struct span in = span_make(s.at + 1, n - 2);
	bool range = in.at[0] == '^' || (in.len == 3 && in.at[1] == '-');
	if (in.len == 1)
		return strchr("*?[]", in.at[0]) != NULL ? n : 0;
	bool parameter = query && n < s.len && (s.at[n] == '=' || s.at[n] == '[');
	return parameter && !range ? 0 : n;
}

/* The length of an IPv6 address at the front of an authority, with its brackets; it may have wildcards. 0: there is
 * none. */
static size_t address_bytes(struct span s)
{
	size_t n = s.len > 0 && s.at[0] == '[' ? url_until(s, "]") : 0;
	return n > 0 && n < s.len && memchr(s.at, ':', n) != NULL ? n + 1 : 0;
}

bool glob_is_wild(const char *typed)
{
	const char *mark = strstr(typed, "://");
	struct span text = span_of(mark != NULL ? mark + 3 : typed);
	bool query = false;
	for (text = span_from(text, address_bytes(text)); text.len > 0; text = span_from(text, 1)) {
		query = query || text.at[0] == '?';
		if (text.at[0] == '*' || (text.at[0] == '[' && meant_set_bytes(text, query) > 0))
			return true;
	}
	return false;
}

static int refuse(const char **why, const char *sentence)
{
	*why = sentence;
	return -1;
}

static const char too_long[] = "it is too long";

/* Adds text without wildcards in the spelling of a normal URL. */
static int add_literal(struct span text, struct buf *out, const char **why)
{
	struct buf written;
	buf_init(&written, BUF_HEAD);
	int rc = 0;
	if (url_add_written(text, true, &written) != 0)
		rc = refuse(why, "it has a control byte, which is in no URL");
	else if (url_add_normal(buf_span(&written), out) != 0)
		rc = refuse(why, too_long);
	buf_fini(&written);
	return rc;
}

/* Adds path and query, or a glob without scheme and host. */
static int add_text(struct span text, struct buf *out, const char **why)
{
	bool query = false;
	while (text.len > 0) {
		size_t n = url_until(text, "*?[#");
		if (n > 0 && add_literal(span_make(text.at, n), out, why) != 0)
			return -1;
		text = span_from(text, n);
		if (text.len == 0)
			break;
		if (text.at[0] == '#')
			return refuse(why, "a URL in the cache has no fragment (leave out # and what follows)");
		n = text.at[0] == '[' ? meant_set_bytes(text, query) : 1;
		query = query || text.at[0] == '?' || (n == 3 && text.at[1] == '?');
		buf_addspan(out, n > 0 ? span_make(text.at, n) : span_of("[[]"));
		text = span_from(text, n > 0 ? n : 1);
	}
	return out->failed ? refuse(why, too_long) : 0;
}

/* The end of the path, or the first wildcard. Dot segments can be removed up to there. */
static int add_path(struct span text, struct buf *out, const char **why)
{
	size_t literal = url_until(text, "*?[#"), whole = literal;
	while (literal < text.len && text.at[literal] != '?' && whole > 0 && text.at[whole - 1] != '/')
		whole--;
	struct buf path, rest;
	buf_init(&path, BUF_HEAD);
	buf_init(&rest, BUF_HEAD);
	int rc = add_literal(span_make(text.at, whole), &path, why);
	if (rc == 0 && path.len > 0) {
		url_remove_dots(path.data);
		buf_adds(out, path.data);
	}
	if (rc == 0)
		rc = add_text(span_from(text, whole), &rest, why);
	const char *in_path = buf_str(&rest);
	struct span left = span_make(in_path, url_until(buf_span(&rest), "?"));
	if (rc == 0 && (memmem(left.at, left.len, "/./", 3) != NULL || memmem(left.at, left.len, "/../", 4) != NULL))
		rc = refuse(why, "a URL in the cache has no segment . or .. (leave it out)");
	buf_addspan(out, buf_span(&rest));
	buf_fini(&rest);
	buf_fini(&path);
	return rc == 0 && out->failed ? refuse(why, too_long) : rc;
}

/* --- the authority --- */

static bool is_wild(struct span s)
{
	size_t address = address_bytes(s);
	if (url_until(span_make(s.at, address), "*?") < address)
		return true;
	s = span_from(s, address);
	return url_until(s, "*?[") < s.len;
}

void glob_quote(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("*?[", text.at[i]) != NULL)
			buf_addf(out, "[%c]", text.at[i]);
		else
			buf_addc(out, text.at[i]);
	}
}

static const char no_host[] =
    "it names no host (letters, digits, dots and hyphens; what follows the host begins with /)";

bool glob_has_open_bracket(struct span s)
{
	while (s.len > 0) {
		size_t n = s.at[0] == '[' ? set_bytes(s) : 1;
		if (n == 0)
			return true;
		s = span_from(s, n);
	}
	return false;
}

/* A host without wildcards. */
static int add_whole_host(struct span host, struct buf *out, const char **why)
{
	char *name = url_host(host);
	if (name == NULL)
		return refuse(why, no_host);
	glob_quote(span_of(name), out);
	free(name);
	return 0;
}

static bool is_beyond_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] >= 0x80 || s.at[i] == '%')
			return true;
	return false;
}

/* Literals and sets of a host with wildcards: lower case. */
static int add_host_text(struct span s, struct buf *out, const char **why)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (c == '\0' || strchr("abcdefghijklmnopqrstuvwxyz0123456789.-_*?[]^:", c) == NULL)
			return refuse(why, no_host);
		buf_addc(out, c);
	}
	return 0;
}

/* A host with wildcards. A label beyond ASCII becomes punycode by itself. */
static int add_wild_host(struct span host, struct buf *out, const char **why)
{
	if (address_bytes(host) > 0) {
		buf_adds(out, "[[]");
		return add_host_text(span_from(host, 1), out, why);
	}
	for (size_t n;; host = span_from(host, n)) {
		n = url_until(host, ".");
		struct span label = span_make(host.at, n);
		int rc = !is_beyond_ascii(label) ? add_host_text(label, out, why)
			 : is_wild(label) ? refuse(why, "a label beyond ASCII has no wildcards (give it as xn--...)")
					  : add_whole_host(label, out, why);
		if (rc != 0 || n == host.len)
			return rc;
		buf_addc(out, '.');
		n++;
	}
}

/* scheme: "http" or "https"; NULL: either. */
static int add_authority(struct span a, const char *scheme, struct buf *out, const char **why)
{
	if (memchr(a.at, '@', a.len) != NULL)
		return refuse(why, "a URL in the cache names no user (leave out what stands before @)");
	size_t bracket = address_bytes(a);
	const char *colon = memrchr(a.at + bracket, ':', a.len - bracket);
	struct span host = span_make(a.at, colon != NULL ? (size_t)(colon - a.at) : a.len);
	struct span digits = span_from(a, colon != NULL ? host.len + 1 : a.len);
	int port = authority_port(digits);
	if (colon != NULL && url_until(digits, "*?[") < digits.len)
		port = AUTHORITY_NO_PORT;
	if (port == 0 || port < AUTHORITY_NO_PORT ||
	    (address_bytes(host) != host.len && host.len > 0 && memchr(host.at, ':', host.len) != NULL))
		return refuse(why, "its port is not a number from 1 to 65535");
	if (scheme == NULL && (port == 80 || port == 443))
		return refuse(why, port == 80 ? "80 is the default port of http, which no URL in the cache names (give "
						"http:// and leave the port out)"
					      : "443 is the default port of https, which no URL in the cache names "
						"(give https:// and leave the port out)");
	if ((is_wild(host) ? add_wild_host(host, out, why) : add_whole_host(host, out, why)) != 0)
		return -1;
	if (port > 0 && port != (strcmp(scheme != NULL ? scheme : "", "https") == 0 ? 443 : 80))
		buf_addf(out, ":%d", port);
	else if (port == AUTHORITY_NO_PORT && digits.len > 0)
		return add_host_text(span_make(digits.at - 1, digits.len + 1), out, why);
	return 0;
}

/* Adds an authority that is followed by a path. */
static int add_place(struct span authority, struct span path, const char *scheme, struct buf *out, const char **why)
{
	if (glob_has_open_bracket(authority))
		return refuse(why, no_host);
	if (path.len == 0 && is_wild(authority))
		return refuse(why, "it has no path (end it with /* for the whole host, or with / for its first page)");
	if (add_authority(authority, scheme, out, why) != 0)
		return -1;
	if (path.len == 0 || path.at[0] != '/')
		buf_addc(out, '/');
	return add_path(path, out, why);
}

/* Adds the text after the scheme. */
static int add_location(struct span text, const char *scheme, struct buf *out, const char **why)
{
	size_t n = url_until(text, "/#");
	struct span authority = span_make(text.at, n), path = span_from(text, n);
	size_t star = url_until(authority, "*");
	if (n == 0 || (path.len == 0 && glob_has_open_bracket(span_make(text.at, star))))
		return refuse(why, no_host);
	if (path.len == 0 && star < n) /* the end of the host is open, as in *.iso */
		return add_host_text(span_make(text.at, star), out, why) != 0
			   ? -1
			   : add_text(span_from(text, star), out, why);
	struct buf unquoted; /* "[[]::1]", as rules have it */
	buf_init(&unquoted, BUF_LINE);
	if (span_starts(authority, "[[]")) {
		buf_addc(&unquoted, '[');
		buf_addspan(&unquoted, span_from(authority, 3));
		if (address_bytes(buf_span(&unquoted)) > 0)
			authority = buf_span(&unquoted);
	}
	int rc = add_place(authority, path, scheme, out, why);
	buf_fini(&unquoted);
	return rc;
}

/* --- the scheme --- */

bool glob_has_scheme(const char *typed)
{
	if (typed[0] == '*' || strstr(typed, "://") != NULL)
		return true;
	if (strncmp(typed, "http", 4) != 0)
		return false; /* a host may begin with "http" as well */
	char next = typed[4] == 's' ? typed[5] : typed[4];
	return next != '\0' && strchr("*?[:", next) != NULL;
}

/* Does it begin with hosts, as in "*.example.com/"? It may match elsewhere as well. */
static bool is_of_hosts(const char *typed)
{
	size_t n = strcspn(typed, "/");
	return strncmp(typed, "*.", 2) == 0 && typed[n] == '/' && memchr(typed + 2, '.', n - 2) != NULL &&
	       memchr(typed, '?', n) == NULL;
}

/* Could a URL begin with this text, as with "htt", or this text with "http://"? */
static bool may_begin_url(struct span text)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = strlen(schemes[i]);
		if (strncmp(text.at, schemes[i], text.len < n ? text.len : n) == 0)
			return true;
	}
	return false;
}

int glob_read(const char *typed, const char *scheme, struct buf *out, const char **why)
{
	struct span text = span_trim(span_of(typed));
	const char *mark = strstr(typed, "://");
	char prefix[16] = "";
	if (!glob_has_scheme(text.at)) {
		buf_addf(out, "%s://", scheme);
		return add_location(text, strchr(scheme, '*') == NULL ? scheme : NULL, out, why);
	}
	if (is_of_hosts(text.at))
		return add_location(text, NULL, out, why);
	size_t n = mark != NULL ? (size_t)(mark - text.at) : sizeof prefix;
	for (size_t i = 0; i < n && n < sizeof prefix; i++)
		prefix[i] = text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char)(text.at[i] + ('a' - 'A')) : text.at[i];
	bool http = prefix[0] != '\0' && glob_matches(prefix, "http"),
	     https = prefix[0] != '\0' && glob_matches(prefix, "https");
	if (http || https) {
		buf_addf(out, "%s://", prefix);
		return add_location(span_from(text, n + 3), http && https ? NULL : https ? "https" : "http", out, why);
	}
	size_t wild = url_until(text, "*"), literal = url_until(text, "*?[");
	if (mark != NULL ? wild > n : wild == text.len || !may_begin_url(span_make(text.at, literal)))
		return refuse(why, "only http and https URLs are in the cache");
	return add_text(text, out, why);
}
