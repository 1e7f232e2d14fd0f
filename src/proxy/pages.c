#include "proxy/pages.h"

#include "base/stats.h"
#include "proxy/synthetic.h"

#include <inttypes.h>

static void health(struct exchange *x, struct buf *page)
{
	buf_adds(page, "ok\n");
	synthetic_page(x, 200, "text/plain; charset=utf-8", buf_span(page));
}

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

/* A browser that uses this file sends its requests for http to curlew, and opens tunnels through it for https. The
 * proxy's name is that of the request, because it is one under which this client can reach us; it is checked, because
 * it becomes part of a script. */
static void proxy_pac(struct exchange *x, struct buf *page)
{
	struct span host =
	    x->admin ? span_of(conf_item(x->context->conf, "listen", 0)) : message_find(x->request, "Host");
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
} pages[] = {{"/health", health}, {"/metrics", metrics}, {"/proxy.pac", proxy_pac}, {"/", status}, {"", status}};

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
