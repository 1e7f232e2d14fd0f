#include "http/site.h"

#include "http/key.h"
#include "http/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* --- from an origin to a label --- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Adds a run of other characters as codes. inner: plain characters come before and after it. */
static void add_run(struct buf *out, struct span run, bool inner, bool last)
{
	if (inner && span_is(run, "."))
		buf_adds(out, "--");
	else if (inner && span_is(run, "-"))
		buf_addc(out, '-');
	else {
		buf_adds(out, "---");
		for (size_t i = 0; i < run.len; i++) {
			char c = run.at[i];
			if (c == '-' || c == '.' || c == '_')
				buf_addc(out, c == '-' ? 'h' : c == '.' ? 'd' : 'u');
			else
				buf_addf(out, "x%02x", (unsigned char)c);
		}
		if (!last)
			buf_addc(out, '-');
	}
}

static void add_name(struct buf *out, struct span host)
{
	/* "xn" before a hyphen: the label must not look like punycode. */
	if (span_starts(host, "xn") && (host.len == 2 || !is_plain(host.at[2]))) {
		buf_adds(out, "x---n-");
		host = span_from(host, 1);
	}
	for (size_t i = 0, n; i < host.len; i += n) {
		bool plain = is_plain(host.at[i]);
		for (n = 1; i + n < host.len && is_plain(host.at[i + n]) == plain;)
			n++;
		if (plain)
			buf_add(out, host.at + i, n);
		else
			add_run(out, span_make(host.at + i, n), i > 0 && i + n < host.len, i + n == host.len);
	}
}

/* "[::1]" as "0-0-0-0-0-0-0-1". False: not an IPv6 address. */
static bool add_ipv6(struct buf *out, struct span host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr at;
	if (host.len < 2 || host.at[host.len - 1] != ']' || host.len - 2 >= sizeof text)
		return false;
	memcpy(text, host.at + 1, host.len - 2);
	text[host.len - 2] = '\0';
	if (inet_pton(AF_INET6, text, &at) != 1)
		return false;
	for (size_t i = 0; i < 16; i += 2)
		buf_addf(out, "%s%x", i > 0 ? "-" : "", (unsigned)at.s6_addr[i] << 8 | at.s6_addr[i + 1]);
	return true;
}

int site_label(bool secure, const char *host, int port, char label[SITE_LABEL])
{
	struct span name = span_of(host);
	struct buf out;
	buf_init(&out, BUF_LINE);
	bool v6 = span_starts(name, "["), good = name.len > 0;
	if (v6)
		good = add_ipv6(&out, name);
	else
		add_name(&out, name);
	if (v6 || secure || port != 80)
		buf_addf(&out, "---%s%s", v6 ? "v" : "", secure ? "s" : port != 80 ? "p" : "");
	if (port != (secure ? 443 : 80))
		buf_addf(&out, "%d", port);
	good = good && !out.failed && out.len < SITE_LABEL;
	if (good)
		memcpy(label, buf_str(&out), out.len + 1);
	buf_fini(&out);
	return good ? 0 : -1;
}

/* --- and back --- */

struct suffix {
	bool v6, secure;
	int port;
};

/* Reads the text after the last "---". False: it is a run of characters and not a suffix. */
static bool read_suffix(struct span s, struct suffix *to)
{
	*to = (struct suffix){.port = 80};
	if (span_starts(s, "v")) {
		to->v6 = true;
		s = span_from(s, 1);
	}
	if (span_starts(s, "s")) {
		to->secure = true;
		to->port = 443;
		s = span_from(s, 1);
	} else if (span_starts(s, "p")) {
		s = span_from(s, 1);
	} else {
		return to->v6 && s.len == 0;
	}
	if (s.len > 5)
		return false;
	for (size_t i = 0, port = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		port = port * 10 + (size_t)(s.at[i] - '0');
		to->port = (int)port;
	}
	return true;
}

static size_t hyphens(struct span s)
{
	size_t n = 0;
	while (n < s.len && s.at[n] == '-')
		n++;
	return n;
}

/* Reads the codes after "---" up to their end. Returns their length. */
static size_t read_codes(struct span s, struct buf *host)
{
	size_t i = 0;
	while (i < s.len && s.at[i] != '-') {
		unsigned byte = 0;
		char hex[3] = "";
		if (s.at[i] == 'x' && i + 2 < s.len && isxdigit((unsigned char)s.at[i + 1]) &&
		    isxdigit((unsigned char)s.at[i + 2])) {
			memcpy(hex, s.at + i + 1, 2);
			byte = (unsigned)strtoul(hex, NULL, 16);
			i += 2;
		}
		char c = s.at[i++];
		if (byte == 0 && c != 'n')
			byte = c == 'h' ? '-' : c == 'd' ? '.' : c == 'u' ? '_' : 0;
		if (byte != 0)
			buf_addc(host, (char)byte);
	}
	return i < s.len && hyphens(span_from(s, i)) == 1 ? i + 1 : i;
}

static void read_name(struct span s, struct buf *host)
{
	while (s.len > 0) {
		size_t n = hyphens(s), taken = n;
		if (n == 0) {
			buf_addc(host, s.at[0]);
			taken = 1;
		} else if (n < 3) {
			buf_addc(host, n == 1 ? '-' : '.');
		} else {
			taken = 3 + read_codes(span_from(s, 3), host);
		}
		s = span_from(s, taken);
	}
}

static void read_ipv6(struct span s, struct buf *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr at;
	size_t n = s.len < sizeof text - 1 ? s.len : sizeof text - 1;
	for (size_t i = 0; i < n; i++)
		text[i] = s.at[i];
	text[n] = '\0';
	for (char *hyphen = text; (hyphen = strchr(hyphen, '-')) != NULL;)
		*hyphen = ':';
	if (inet_pton(AF_INET6, text, &at) == 1 && inet_ntop(AF_INET6, &at, text, sizeof text) != NULL)
		buf_addf(host, "[%s]", text);
}

/* Reads leniently. The label is valid if site_label() makes the same label from the result. */
int site_origin(struct span label, struct buf *out)
{
	char lower[SITE_LABEL], again[SITE_LABEL];
	struct suffix suffix = {.port = 80};
	struct buf host;
	if (label.len == 0 || label.len >= SITE_LABEL)
		return -1;
	for (size_t i = 0; i < label.len; i++)
		lower[i] = (char)tolower((unsigned char)label.at[i]);
	lower[label.len] = '\0';
	struct span name = span_make(lower, label.len);
	for (size_t i = label.len; i-- > 3;) {
		struct span rest = span_from(name, i);
		if (memcmp(lower + i - 3, "---", 3) == 0 && read_suffix(rest, &suffix)) {
			name.len = i - 3;
			break;
		}
		suffix = (struct suffix){.port = 80};
	}
	buf_init(&host, BUF_LINE);
	if (suffix.v6)
		read_ipv6(name, &host);
	else
		read_name(name, &host);
	bool good = site_label(suffix.secure, buf_str(&host), suffix.port, again) == 0 && strcmp(again, lower) == 0;
	if (good) {
		buf_addf(out, "%s://%s", suffix.secure ? "https" : "http", buf_str(&host));
		if (suffix.port != (suffix.secure ? 443 : 80))
			buf_addf(out, ":%d", suffix.port);
		good = !out->failed;
	}
	buf_fini(&host);
	return good ? 0 : -1;
}

/* --- fields of a response --- */

char *site_location(const char *base, struct span location, struct span port)
{
	char label[SITE_LABEL], *resolved = key_resolve(base, location);
	struct url url;
	struct buf out;
	url_init(&url);
	buf_init(&out, BUF_HEAD);
	location = span_trim(location);
	if (resolved == NULL || url_parse(span_of(resolved), true, &url) != 0) {
		out.failed = true;
	} else if (site_label(url.secure, url.host, url.port, label) == 0) {
		buf_addf(&out, "http://%s.localhost%.*s", label, (int)port.len, port.at);
	} else {
		buf_addf(&out, "http://localhost%.*s/", (int)port.len, port.at);
		url_add_origin(&out, &url);
	}
	if (!out.failed) {
		url_add_path(&out, &url);
		if (url_add_written(span_from(location, url_until(location, "#")), true, &out) != 0)
			out.failed = true;
	}
	char *text = out.failed ? NULL : buf_take(&out);
	buf_fini(&out);
	url_fini(&url);
	free(resolved);
	return text;
}

char *site_reveal(struct span url, struct span port)
{
	static const char scheme[] = "http://", zone[] = ".localhost";
	if (!span_starts_nocase(url, scheme))
		return NULL;
	struct span rest = span_from(url, sizeof scheme - 1);
	size_t n = url_until(rest, "/?#");
	struct span authority = span_make(rest.at, n), label = span_make(rest.at, url_until(rest, ".:/?#"));
	struct span after = span_from(authority, label.len < n ? label.len : n);
	if (!span_starts_nocase(after, zone) || !span_same(span_from(after, sizeof zone - 1), port))
		return NULL;
	struct buf out;
	buf_init(&out, BUF_HEAD);
	if (site_origin(label, &out) != 0)
		out.failed = true;
	buf_addspan(&out, span_from(rest, n));
	char *text = out.failed ? NULL : buf_take(&out);
	buf_fini(&out);
	return text;
}

/* RFC 6265 5.1.3: is host the domain, or below it? An address is below none. */
static bool is_in_domain(struct span host, struct span domain)
{
	char text[64];
	struct in_addr v4;
	if (span_starts(domain, "."))
		domain = span_from(domain, 1);
	if (domain.len == 0 || span_same_nocase(host, domain))
		return true;
	bool address = host.at[0] == '[';
	if (host.len < sizeof text) {
		memcpy(text, host.at, host.len);
		text[host.len] = '\0';
		address = address || inet_pton(AF_INET, text, &v4) == 1;
	}
	return !address && host.len > domain.len && host.at[host.len - domain.len - 1] == '.' &&
	       span_same_nocase(span_from(host, host.len - domain.len), domain);
}

bool site_cookie(struct span value, struct span host, struct buf *out)
{
	struct buf kept;
	bool good = true, first = true;
	buf_init(&kept, BUF_HEAD);
	for (size_t n; first || value.len > 0; value = span_from(value, n < value.len ? n + 1 : n)) {
		n = url_until(value, ";");
		struct span part = span_make(value.at, n);
		size_t name_bytes = url_until(part, "=");
		struct span name = span_trim(span_make(part.at, name_bytes));
		if (!first && span_is_nocase(name, "Domain")) {
			good = is_in_domain(host, span_trim(span_from(part, name_bytes < n ? name_bytes + 1 : n)));
			continue; /* RFC 6265 5.3: the last one counts */
		}
		if (!first)
			buf_addc(&kept, ';');
		buf_addspan(&kept, part);
		first = false;
	}
	good = good && !kept.failed && buf_addspan(out, buf_span(&kept)) == 0;
	buf_fini(&kept);
	return good;
}
