#include "proxy/browser.h"

#include "http/site.h"
#include "proxy/options.h"
#include "proxy/server_names.h"
#include "proxy/synthetic.h"

#include <stdlib.h>

static struct span host_of(const struct exchange *x)
{
	return message_find(x->request, "Host");
}

/* --- the request --- */

int browser_read_target(struct exchange *x, struct fault *fault)
{
	const struct options *s = x->options;
	struct span method = x->request->method, target = x->request->target;
	struct span label = server_names_site(s->conf, host_of(x));
	struct buf url;
	if (s->key_settings.origin != NULL || label.at == NULL || !span_starts(target, "/") ||
	    span_is(method, "CONNECT"))
		return key_of_target(&s->key_settings, method, target, &x->target, fault);
	buf_init(&url, BUF_HEAD);
	int rc = site_origin(label, &url);
	if (rc != 0) {
		*fault = (struct fault){421, "this host names no site (use http://localhost/HOST/PATH)"};
	} else {
		buf_addspan(&url, target);
		rc = key_of_target(&s->key_settings, method, buf_span(&url), &x->target, fault);
	}
	buf_fini(&url);
	if (rc == 0)
		x->target.form = KEY_SITE;
	return rc;
}

/* True when Origin names the host of this request. Its scheme may be https: another server may terminate TLS for us. */
static bool is_own_origin(struct span origin, struct span host)
{
	if (span_starts_nocase(origin, "http://"))
		origin = span_from(origin, 7);
	else if (span_starts_nocase(origin, "https://"))
		origin = span_from(origin, 8);
	else
		return false;
	return host.len > 0 && span_same_nocase(origin, host);
}

bool browser_refuses(struct exchange *x)
{
	const struct head *h = x->request;
	struct span site = message_find(h, "Sec-Fetch-Site"), origin = message_find(h, "Origin");
	if (x->target.form == KEY_REVERSE || x->target.form == KEY_ABSOLUTE || x->target.form == KEY_TUNNEL)
		return false;
	bool foreign = origin.at != NULL && !is_own_origin(origin, host_of(x));
	/* A page with the policy no-referrer sends Origin: null, even to its own site. */
	if (foreign && span_is(origin, "null") && span_is(site, "same-origin"))
		foreign = false;
	bool plain = (span_is(h->method, "GET") || span_is(h->method, "HEAD")) && origin.at == NULL &&
		     !message_has(h, "Upgrade");
	if ((!foreign && !span_is_nocase(site, "cross-site")) || plain)
		return false;
	x->verdict = "refused";
	bool has_origin = origin.at != NULL;
	struct span shown = has_origin ? origin : site;
	synthetic_text(x, 403, NULL,
	    "a page of another site made this request (%s: %.*s): only GET and HEAD without Origin and Upgrade are "
	    "allowed",
	    has_origin ? "Origin" : "Sec-Fetch-Site", (int)(shown.len > 200 ? 200 : shown.len), shown.at);
	return true;
}

/* Makes the first field of that name refer to the real site. Returns its new value, for the caller to free; NULL: it
 * was left as it is. */
static char *reveal(struct head *head, const char *name, struct span port)
{
	for (size_t i = 0; i < head->count; i++) {
		struct field *f = &head->fields[i];
		if (!span_is_nocase(f->name, name))
			continue;
		char *text = site_reveal(f->value, port);
		if (text != NULL)
			f->value = span_of(text);
		return text;
	}
	return NULL;
}

/* By prefix, cookies pass only to programs on this machine that are not browsers, because to a browser all sites would
 * share them. A browser on this machine sends Sec-Fetch-Site with every request to a loopback host (Fetch
 * Metadata 2.3), and a browser on another machine does not use a loopback host. */
static bool cookies_pass(const struct exchange *x)
{
	if (x->target.form != KEY_PREFIX || x->options->prefix_cookies)
		return true;
	return server_names_is_loopback(host_of(x)) && !message_has(x->request, "Sec-Fetch-Site") && !x->client.proxied;
}

void browser_rewrite(struct exchange *x, struct head *head)
{
	struct span port = server_names_port(host_of(x));
	if (!cookies_pass(x))
		message_leave_out(head, "Cookie");
	if (x->target.form != KEY_SITE)
		return;
	x->site_origin = reveal(head, "Origin", port);
	x->site_referer = reveal(head, "Referer", port);
}

void browser_end(struct exchange *x)
{
	free(x->site_origin);
	free(x->site_referer);
	x->site_origin = x->site_referer = NULL;
}

/* --- the response --- */

/* True of HTML, XHTML, XML and SVG, and of types that a browser may interpret as one of these: a missing type, one that
 * makes it look at the content, or one that breaks the grammar, which counts as missing (MIME Sniffing 4.4 and 7). */
static bool is_document_type(struct span type)
{
	static const char *const names[] = {
	    "text/html", "text/xml", "text/xsl", "application/xml", "unknown/unknown", "application/unknown", "*/*"};
	const char *semicolon = memchr(type.at, ';', type.len);
	if (semicolon != NULL)
		type.len = (size_t)(semicolon - type.at);
	type = span_trim(type);
	const char *slash = memchr(type.at, '/', type.len);
	size_t before = slash != NULL ? (size_t)(slash - type.at) : 0;
	if (!message_is_token(span_make(type.at, before)) || !message_is_token(span_from(type, before + 1)) ||
	    (type.len > 4 && span_is_nocase(span_from(type, type.len - 4), "+xml")))
		return true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_nocase(type, names[i]))
			return true;
	return span_starts_nocase(type, "multipart/x-mixed-replace");
}

/* Browsers read several Content-Type values as a list and use one of them (Fetch, "extract a MIME type"). */
static bool is_document(struct span fields)
{
	static const char name[] = "Content-Type:";
	struct span line;
	bool typed = false;
	while (span_next_line(&fields, &line)) {
		if (!span_starts_nocase(line, name))
			continue;
		typed = true;
		struct span rest = span_from(line, sizeof name - 1);
		for (size_t n;; rest = span_from(rest, n + 1)) {
			const char *comma = memchr(rest.at, ',', rest.len);
			n = comma != NULL ? (size_t)(comma - rest.at) : rest.len;
			if (is_document_type(span_make(rest.at, n)))
				return true;
			if (n == rest.len)
				break;
		}
	}
	return !typed;
}

bool browser_judges_each(const struct exchange *x, struct span fields)
{
	struct span line;
	if (x->target.form != KEY_PREFIX || x->options->prefix_cookies)
		return false;
	while (span_next_line(&fields, &line))
		if (span_starts_nocase(line, "Set-Cookie") || span_starts_nocase(line, "Clear-Site-Data:"))
			return true;
	return false;
}

void browser_guard(const struct exchange *x, struct span fields, struct response_head *r)
{
	if (x->target.form == KEY_SITE)
		r->cookie_host = x->target.host;
	if (x->target.form != KEY_PREFIX)
		return;
	r->no_cookies = !cookies_pass(x);
	r->sandbox = x->options->prefix_sandbox && is_document(fields);
}

char *browser_location(const struct exchange *x, struct span location)
{
	return site_location(x->target.url, location, server_names_port(host_of(x)));
}
