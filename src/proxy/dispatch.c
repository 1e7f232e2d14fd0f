/*
 * The checks of dispatch() stand in the order of their weight: a loop, the listener, the name in Host, the page that
 * made the request.
 */
#include "proxy/dispatch.h"

#include "base/stats.h"
#include "http/framing.h"
#include "proxy/access.h"
#include "proxy/browser.h"
#include "proxy/cache_handler.h"
#include "proxy/files.h"
#include "proxy/forward.h"
#include "proxy/health.h"
#include "proxy/http1_writer.h"
#include "proxy/origin_fields.h"
#include "proxy/pages.h"
#include "proxy/purge_handler.h"
#include "proxy/selection.h"
#include "proxy/server_names.h"
#include "proxy/site_redirect.h"
#include "proxy/site_target.h"
#include "proxy/synthetic.h"
#include "proxy/tunnel.h"
#include "proxy/upgrade.h"

#include <stdlib.h>

/* --- the handler of a request --- */

static bool has_content(const struct exchange *x)
{
	return x->framing == FRAMING_CHUNKED || (x->framing == FRAMING_LENGTH && x->length > 0);
}

/* True when Max-Forwards of OPTIONS or TRACE makes this server the last recipient (RFC 9110 7.6.2). */
static bool is_last_hop(const struct exchange *x)
{
	bool counts = span_is(x->request->method, "OPTIONS") || span_is(x->request->method, "TRACE");
	return counts && span_is(message_find(x->request, "Max-Forwards"), "0");
}

/* Takes the rules that hold for this request; they stay the same until its end, whatever is edited meanwhile. From here
 * on target.url is the key. */
static void take_rules(struct exchange *x)
{
	x->rules = store_rules_take(x->context->store, x->loop != NULL ? x->loop->rules : -1);
	char *key = rules_key(x->rules->rules, x->target.url, &x->key_rule);
	if (key != NULL) {
		x->fetch_url = x->target.url;
		x->target.url = key;
	}
	rules_judge(x->rules->rules, x->target.url, 0, &x->decision);
}

static void end_route(struct exchange *x)
{
	free(x->fetch_url);
	x->fetch_url = NULL;
	store_rules_drop(x->rules);
	x->rules = NULL;
}

static void begin_route(struct exchange *x)
{
	struct selection_request ask = {
	    .head = x->request, .rules = &x->decision, .has_content = has_content(x), .offline = x->context->offline};
	struct selection_plan plan;
	if (is_last_hop(x)) {
		x->verdict = "own";
		synthetic_page(x, 200, "text/plain; charset=utf-8", span_make(NULL, 0));
	} else if (upgrade_is_wanted(x)) {
		upgrade_respond(x); /* never on a loop: no such request is plain */
	} else if (!selection_decide_unstored(&ask, &plan)) {
		cache_handler_begin(x);
	} else if (plan.action == SELECTION_DENY) {
		synthetic_denied(x);
	} else if (x->loop != NULL) {
		x->state = EXCHANGE_UNSERVED;
	} else {
		forward_respond(x); /* PASS, or OFFLINE, which it refuses */
	}
}

void dispatch_route(struct exchange *x)
{
	take_rules(x);
	begin_route(x);
	if (x->loop == NULL && x->state == EXCHANGE_PLANNED)
		cache_handler_end(x);
	if (x->state == EXCHANGE_OVER || x->state == EXCHANGE_UNSERVED)
		end_route(x);
}

void dispatch_continue(struct exchange *x)
{
	cache_handler_end(x);
	end_route(x);
}

void dispatch_abandon(struct exchange *x)
{
	if (x->state != EXCHANGE_WAITS && x->state != EXCHANGE_PLANNED)
		return;
	cache_handler_abandon(x);
	end_route(x);
}

/* --- one exchange on a connection --- */

static bool is_for_us(const struct exchange *x, const struct conn *c)
{
	struct span host = message_find(x->request, "Host");
	return host.at == NULL || server_names_include(x->options->conf, host, c->fd);
}

/* False: Host names another server, and 421 was sent. */
static bool is_named(struct exchange *x, const struct conn *c)
{
	struct span host = message_find(x->request, "Host");
	if (is_for_us(x, c))
		return true;
	x->close = true;
	x->verdict = "refused";
	synthetic_text(x, 421, NULL,
	    "%.*s is not a name of this server (name it with --server-name, or use http://localhost)",
	    (int)(host.len > 200 ? 200 : host.len), host.at);
	return false;
}

void dispatch_refuse(struct exchange *x, const struct fault *fault)
{
	x->close = true;
	x->verdict = "refused";
	stats_add(STATS_BAD_REQUESTS, 1);
	synthetic_text(x, fault->status, NULL, "%s", fault->why);
}

/* True: our name is in Via, so the request has been here before, and 508 was sent. */
static bool refuses_loop(struct exchange *x)
{
	for (size_t i = 0; i < x->request->count; i++) {
		const struct field *f = &x->request->fields[i];
		if (!span_is_nocase(f->name, "Via") ||
		    !memmem(f->value.at, f->value.len, x->context->via, strlen(x->context->via)))
			continue;
		x->close = true;
		synthetic_text(x, 508, NULL,
		    "this request has passed through this server before: a loop of proxies (check --proxy and "
		    "--origin)");
		return true;
	}
	return false;
}

/* True when the client may see our own pages: --admin-from holds it. Without that option it holds this machine, and
 * everybody who can connect to --admin-listen. */
static bool may_see_pages(const struct exchange *x, const struct conn *c)
{
	const struct conf *conf = x->options->conf;
	return c->admin && !conf_given(conf, "admin-from") ? !x->client.proxied
							   : client_may(&x->client, conf, "admin-from");
}

/* Our own pages. Host must name this server: the page of a site that gave its name our address must not read them
 * (DNS rebinding). A unix socket is not reached by name. */
static void serve_pages(struct exchange *x, const struct conn *c)
{
	bool allowed = may_see_pages(x, c);
	if (health_is(x)) {
		health_respond(x, atomic_load(c->draining), allowed && (c->unix_socket || is_for_us(x, c)));
	} else if (!c->unix_socket && !is_named(x, c)) {
		return;
	} else if (allowed) {
		pages_respond(x);
	} else {
		x->verdict = "refused";
		synthetic_text(x, 403, NULL, "/.curlew/ %s",
		    x->client.proxied ? "cannot be requested through a proxy (use --admin-listen, or --admin-from and "
					"--trust-forwarded)"
				      : "is not for this client (name it with --admin-from; the default is the machine "
					"of the server)");
	}
}

static void serve_admin(struct exchange *x, const struct conn *c)
{
	static const struct key_settings settings = {.default_scheme = "http"};
	struct fault fault;
	if (key_of_target(&settings, x->request->method, x->request->target, &x->target, &fault) != 0 ||
	    x->target.form != KEY_OWN)
		synthetic_text(x, 404, NULL, "only /.curlew/ is served at this address");
	else if (!browser_refuses(x))
		serve_pages(x, c);
}

static bool serve_from_root(struct exchange *x, const struct conn *c, bool bad)
{
	return x->target.form == KEY_PREFIX && x->target.path != NULL && x->context->root.fd >= 0 &&
	       (!bad || is_for_us(x, c)) && files_respond(x);
}

/* On an event loop: is this a request that only a thread that may block can serve? */
static bool needs_thread(const struct exchange *x)
{
	return x->loop != NULL && (purge_is(x) || x->target.form == KEY_OWN || x->target.form == KEY_TUNNEL ||
				      (x->target.form == KEY_PREFIX && x->context->root.fd >= 0));
}

void dispatch(struct exchange *x, struct conn *c, struct http1_writer *a, struct head *head)
{
	struct fault fault = {0, NULL};
	if (refuses_loop(x))
		return;
	if (c->admin) {
		serve_admin(x, c);
		return;
	}
	bool bad = (x->context->sites != NULL ? site_target_read : browser_read_target)(x, &fault) != 0;
	if (needs_thread(x)) {
		x->state = EXCHANGE_UNSERVED;
		return;
	}
	if (!bad && x->target.form == KEY_PREFIX && !is_named(x, c))
		return;
	if (purge_is(x)) {
		if (bad && !purge_needs_no_site(x))
			dispatch_refuse(x, &fault);
		else if (purge_is_allowed(x))
			purge_respond(x);
		return;
	}
	if (browser_refuses(x) || serve_from_root(x, c, bad))
		return;
	if (bad) {
		dispatch_refuse(x, &fault);
		return;
	}
	if (origin_fields_rewrite(x, head, &fault) != 0) {
		dispatch_refuse(x, &fault);
		return;
	}
	browser_rewrite(x, head);
	if (message_has(x->request, "Expect") && !span_is_nocase(message_find(x->request, "Expect"), "100-continue")) {
		x->close = true;
		synthetic_text(x, 417, NULL, "Expect must be 100-continue");
		return;
	}
	switch (x->target.form) {
	case KEY_OWN:
		serve_pages(x, c);
		break;
	case KEY_SERVER:
		synthetic_options(x);
		break;
	case KEY_TUNNEL:
		a->keep = false;
		x->close = true;
		tunnel_respond(x, c->fd, span_from(buf_span(&c->in), x->request->bytes));
		break;
	case KEY_PREFIX:
		if (site_redirect_respond(x))
			break;
		dispatch_route(x);
		break;
	case KEY_SITE:
	case KEY_ABSOLUTE:
	case KEY_REVERSE:
		dispatch_route(x);
		break;
	}
}
