#include "proxy/pages.h"

#include "base/stats.h"
#include "http/authority.h"
#include "net/listeners.h"
#include "proxy/synthetic.h"

#include <inttypes.h>
#include <stdio.h>

static void metrics(struct exchange *x, struct buf *page)
{
	stats_metrics(page);
	synthetic_page(x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(page));
}

static void add_html(struct buf *page, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<')
			buf_adds(page, "&lt;");
		else if (*text == '&')
			buf_adds(page, "&amp;");
		else
			buf_addc(page, *text);
	}
}

static void status(struct exchange *x, struct buf *page)
{
	buf_adds(page,
	    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>curlew</title>\n"
	    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:2em auto;padding:0 1em}"
	    "td{padding:.1em 1em .1em 0}td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums}</style>\n"
	    "<h1>curlew</h1>\n<p>The cache is in <code>");
	add_html(page, conf_cache_dir(x->context->conf));
	buf_adds(page, "</code>. Look inside with <code>sqlite3 ");
	add_html(page, conf_cache_dir(x->context->conf));
	buf_adds(page, "/index.db 'select * from v_entry'</code>.</p>\n<table>\n");
	for (enum stats_counter c = 0; c < STATS_COUNTERS; c++)
		buf_addf(page, "<tr><td>%s<td>%" PRId64 "<td>%s\n", stats_name(c), stats_get(c), stats_help(c));
	buf_adds(page, "</table>\n");
	synthetic_page(x, 200, "text/html; charset=utf-8", buf_span(page));
}

/* The address of the first listener for TCP, for a request that did not arrive there. A listener on all addresses is
 * reached under the name that the client used, if it used one. */
static struct span proxy_of(const struct exchange *x, char name[LISTENERS_NAME])
{
	const struct listeners *l = x->context->listeners;
	struct authority a;
	if (!x->admin)
		return message_find(x->request, "Host");
	for (size_t i = 0; i < l->admin_first; i++) {
		const char *port = listeners_name(l->fds[i], name) == 0 ? strrchr(name, ':') : NULL;
		if (port == NULL || strncmp(name, "unix:", 5) == 0)
			continue;
		if (strncmp(name, "0.0.0.0:", 8) != 0 && strncmp(name, "[::]:", 5) != 0)
			return span_of(name);
		bool named = authority_split(message_find(x->request, "Host"), &a) == 0 && a.host.len > 0;
		char host[256];
		snprintf(
		    host, sizeof host, "%.*s%s", named ? (int)a.host.len : 9, named ? a.host.at : "localhost", port);
		return span_of(strcpy(name, host));
	}
	return span_make("", 0);
}

/* A browser that uses this file sends its requests for http to curlew, and opens tunnels through it for https. The
 * proxy's name is that of the request, because it is one under which this client can reach us; it is checked, because
 * it becomes part of a script. */
static void proxy_pac(struct exchange *x, struct buf *page)
{
	char name[LISTENERS_NAME];
	struct span host = proxy_of(x, name);
	bool safe = host.len > 0 && host.len < 256;
	for (size_t i = 0; i < host.len; i++)
		safe = safe && strchr("\"\\<>' ", host.at[i]) == NULL;
	buf_adds(page, "function FindProxyForURL(url, host) {\n\treturn \"PROXY ");
	buf_addspan(page, safe ? host : span_of("localhost:8899"));
	buf_adds(page, "; DIRECT\";\n}\n");
	synthetic_page(x, 200, "application/x-ns-proxy-autoconfig", buf_span(page));
}

static const struct {
	const char *path;
	void (*respond)(struct exchange *, struct buf *);
} pages[] = {{"/metrics", metrics}, {"/proxy.pac", proxy_pac}, {"/", status}, {"", status}};

void pages_respond(struct exchange *x)
{
	struct buf page;
	x->verdict = "own";
	if (!span_is(x->request->method, "GET") && !span_is(x->request->method, "HEAD")) {
		synthetic_text(x, 405, NULL, "curlew's own pages only support GET and HEAD");
		return;
	}
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		if (strcmp(x->target.path, pages[i].path) != 0)
			continue;
		buf_init(&page, BUF_PAGE);
		pages[i].respond(x, &page);
		buf_fini(&page);
		return;
	}
	synthetic_text(x, 404, NULL, "curlew has no such page (start at /.curlew/)");
}
