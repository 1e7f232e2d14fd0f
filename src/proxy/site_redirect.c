#include "proxy/site_redirect.h"

#include "http/site.h"
#include "proxy/browser.h"
#include "proxy/deliver.h"
#include "proxy/server_names.h"

static bool is_navigation(const struct head *h)
{
	return span_is(h->method, "GET") && span_is_nocase(message_find(h, "Sec-Fetch-Mode"), "navigate") &&
	       span_is_nocase(message_find(h, "Sec-Fetch-Dest"), "document") && !message_has(h, "Upgrade");
}

bool site_redirect_respond(struct exchange *x)
{
	char label[SITE_LABEL];
	struct span host = message_find(x->request, "Host"), port = server_names_port(host);
	if (x->target.form != KEY_PREFIX || !is_navigation(x->request) || !server_names_is_loopback(host) ||
	    x->client.proxied || site_label(x->target.secure, x->target.host, x->target.port, label) != 0)
		return false;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	buf_addf(&fields, "Location: http://%s.localhost%.*s%s\nCache-Control: no-store\n", label, (int)port.len,
	    port.at, strchr(strstr(x->target.url, "://") + 3, '/'));
	struct representation rep = {.status = 307, .fields = buf_span(&fields), .fd = -1, .age_s = -1};
	x->verdict = "own";
	deliver_respond(x, &rep);
	buf_fini(&fields);
	return true;
}
