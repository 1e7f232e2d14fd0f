#include "proxy/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "fetch/flight.h"
#include "http/framing.h"
#include "proxy/browser.h"
#include "proxy/cache_handler.h"
#include "proxy/files.h"
#include "proxy/forward.h"
#include "proxy/http1_writer.h"
#include "proxy/pages.h"
#include "proxy/ramcache.h"
#include "proxy/request_body.h"
#include "proxy/selection.h"
#include "proxy/server_names.h"
#include "proxy/site_redirect.h"
#include "proxy/synthetic.h"
#include "proxy/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- who answers --- */

static bool must_forward(const struct exchange *x)
{
	return selection_is_for_origin(x->request) || x->framing == FRAMING_CHUNKED ||
	       (x->framing == FRAMING_LENGTH && x->length > 0);
}

/* OPTIONS and TRACE count hops (RFC 9110 7.6.2). True when we are the last. */
static bool is_last_hop(const struct exchange *x)
{
	bool counts = span_is(x->request->method, "OPTIONS") || span_is(x->request->method, "TRACE");
	return counts && span_is(message_find(x->request, "Max-Forwards"), "0");
}

/* From here on target.url is the key. */
static void take_rules(struct exchange *x)
{
	x->rules = store_rules_take(x->context->store);
	char *key = rules_key(x->rules->rules, x->target.url, &x->key_rule);
	if (key != NULL) {
		x->fetch_url = x->target.url;
		x->target.url = key;
	}
	rules_judge(x->rules->rules, x->target.url, &x->decision);
}

static void route(struct exchange *x)
{
	char cache[48];
	bool cacheable = span_is(x->request->method, "GET") || span_is(x->request->method, "HEAD");
	if (is_last_hop(x)) {
		x->verdict = "own";
		synthetic_page(x, 200, "text/plain; charset=utf-8", span_make(NULL, 0));
	} else if (x->decision.deny) {
		snprintf(cache, sizeof cache, "detail=\"rule %lld: deny\"", (long long)x->decision.deny_rule);
		synthetic_text(x, 403, cache, "%s: denied by rule %lld (see `curlew rule ls`)", x->target.url,
		    (long long)x->decision.deny_rule);
	} else if (cacheable && !must_forward(x)) {
		cache_handler_respond(x);
	} else {
		forward_respond(x);
	}
}

void dispatch_route(struct exchange *x)
{
	take_rules(x);
	route(x);
	free(x->fetch_url);
	x->fetch_url = NULL;
	store_rules_drop(x->rules);
}

/* --- one exchange on a connection --- */

static bool is_for_us(const struct exchange *x, const struct conn *c)
{
	struct span host = message_find(x->request, "Host");
	return host.at == NULL || server_name_is_ours(x->context->conf, host, c->fd);
}

/* False: the request is for another server, and was refused. */
static bool is_named(struct exchange *x, const struct conn *c)
{
	struct span host = message_find(x->request, "Host");
	if (is_for_us(x, c))
		return true;
	x->close = true;
	synthetic_text(x, 421, NULL,
	    "%.*s is not a name of this server (name it with --server-name, or use http://localhost)",
	    (int)(host.len > 200 ? 200 : host.len), host.at);
	return false;
}

static void refuse(struct exchange *x, const struct fault *fault)
{
	x->close = true;
	x->verdict = "refused";
	stats_add(STATS_BAD_REQUESTS, 1);
	synthetic_text(x, fault->status, NULL, "%s", fault->why);
}

/* A body nobody asked for must be read away before the next request. */
static void skip_body(struct exchange *x)
{
	struct span data;
	if (x->close || x->body == NULL)
		return;
	if (!request_body_is_here(x->body)) {
		x->close = true;
		return;
	}
	while (request_body_next(x->body, &data) == REQUEST_BODY_DATA)
		;
}

/* Our name in Via: the request has been here before. True when it was refused. */
static bool refuses_loop(struct exchange *x)
{
	for (size_t i = 0; i < x->request->count; i++) {
		const struct field *f = &x->request->fields[i];
		if (!span_is_nocase(f->name, "Via") ||
		    !memmem(f->value.at, f->value.len, x->context->via, strlen(x->context->via)))
			continue;
		x->close = true;
		synthetic_text(x, 508, NULL, "this request has been here before: a loop of proxies");
		return true;
	}
	return false;
}

/* /.curlew/ is for this machine, or for whoever can connect to --admin-listen. A request that came through a proxy
 * speaks for somebody else. */
static void answer_own(struct exchange *x, const struct conn *c)
{
	if (browser_came_through_proxy(x->request))
		synthetic_text(x, 403, NULL,
		    "/.curlew/ does not answer to requests that came through a proxy (see --admin-listen)");
	else if (!c->local && !c->admin)
		synthetic_text(x, 403, NULL, "/.curlew/ answers to this machine only (see --admin-listen)");
	else
		pages_respond(x);
}

static void answer_admin(struct exchange *x, const struct conn *c)
{
	static const struct key_ways ways = {.default_scheme = "http"};
	struct fault fault;
	if (key_of_target(&ways, x->request->method, x->request->target, &x->target, &fault) != 0 ||
	    x->target.way != KEY_OWN)
		synthetic_text(x, 404, NULL, "only /.curlew/ is served here");
	else if ((c->family == AF_UNIX || is_named(x, c)) && !browser_refuses(x))
		answer_own(x, c);
}

static bool answer_from_root(struct exchange *x, const struct conn *c, bool bad)
{
	return x->target.way == KEY_PREFIX && x->target.path != NULL && x->context->root.fd >= 0 &&
	       (!bad || is_for_us(x, c)) && files_respond(x);
}

/* By prefix and for our own pages, Host must name us; with --origin any host may. */
static bool must_be_named(const struct exchange *x)
{
	return x->target.way == KEY_PREFIX || (x->target.way == KEY_OWN && x->context->origin == NULL);
}

static void dispatch(struct exchange *x, struct conn *c, struct http1_writer *a, struct head *head)
{
	struct fault fault = {0, NULL};
	if (refuses_loop(x))
		return;
	if (c->admin) {
		answer_admin(x, c);
		return;
	}
	bool bad = browser_read_target(x, &fault) != 0;
	if (!bad && must_be_named(x) && !is_named(x, c))
		return;
	if (browser_refuses(x) || answer_from_root(x, c, bad))
		return;
	if (bad) {
		refuse(x, &fault);
		return;
	}
	browser_rewrite(x, head);
	if (message_has(x->request, "Expect") && !span_is_nocase(message_find(x->request, "Expect"), "100-continue")) {
		x->close = true;
		synthetic_text(x, 417, NULL, "only Expect: 100-continue is understood");
		return;
	}
	switch (x->target.way) {
	case KEY_OWN:
		answer_own(x, c);
		break;
	case KEY_SERVER:
		synthetic_options(x);
		break;
	case KEY_TUNNEL:
		a->keep = false;
		x->close = true;
		a->body_sent += tunnel_respond(x, c->fd, span_from(buf_span(&c->in), x->request->bytes));
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

static void log_exchange(const struct exchange *x, const struct conn *c, const struct http1_writer *a, int64_t took_us)
{
	if (!log_access_wanted())
		return;
	char client[CONN_PEER];
	conn_peer(c, client);
	struct span line = {"", 0};
	if (x->request != NULL && x->request->method.at != NULL)
		line = message_request_line(x->request);
	struct log_access entry = {
	    .client = span_of(client),
	    .request_line = line,
	    .referer = x->request != NULL ? message_find(x->request, "Referer") : line,
	    .user_agent = x->request != NULL ? message_find(x->request, "User-Agent") : line,
	    .status = x->status,
	    .body_bytes = a->body_sent,
	    .verdict = span_of(x->verdict),
	    .took_us = took_us,
	};
	log_access(&entry, x->now);
}

/* Answers the request whose head is parsed (NULL: bad) and takes it off conn->in. True when the connection may go on.
 */
static bool exchange_run(struct conn *c, struct head *head, const struct fault *bad)
{
	const struct context *context = c->context;
	int64_t began = clock_us();
	bool keep = head != NULL && message_keeps_alive(head) && !atomic_load(c->draining);
	struct http1_writer a;
	struct fault fault;
	struct request_body *body = calloc(1, sizeof *body);
	struct exchange x = {.context = context, .request = head, .now = (int64_t)time(NULL)};
	if (body == NULL)
		return false;
	http1_writer_init(&a, c->fd, c->local, head != NULL ? head->minor : 1, keep);
	x.sink = &a.sink;
	x.admin = c->admin;
	stats_add(STATS_REQUESTS, 1);
	if (head == NULL) {
		a.keep = false;
		refuse(&x, bad);
	} else if (framing_of_request(head, &x.framing, &x.length, &fault) != 0) {
		a.keep = false;
		refuse(&x, &fault);
	} else {
		request_body_init(
		    body, c, head->bytes, x.framing, x.length, conf_seconds(context->conf, "body-timeout"));
		x.body = body;
		dispatch(&x, c, &a, head);
		skip_body(&x);
	}
	log_exchange(&x, c, &a, clock_us() - began);
	if (x.ramcache != NULL)
		ramcache_offer(context->ramcache, &x, x.ramcache);
	key_fini(&x.target);
	browser_end(&x);
	keep = a.keep && !a.failed && !x.close;
	c->reset = a.cut && a.until_close;
	if (keep) { /* only now: the head borrows the buffer */
		buf_consume(&c->in, head->bytes + body->consumed);
		keep = buf_addspan(&c->in, request_body_beyond(body)) == 0;
	}
	if (x.body != NULL)
		request_body_fini(body);
	http1_writer_fini(&a);
	free(body);
	return keep;
}

void dispatch_run(struct work *work)
{
	struct conn *c = conn_of_work(work);
	struct head head;
	bool keep = true;
	message_init(&head);
	keep = conn_send_rest(c) == 0;
	while (keep) {
		struct fault fault;
		enum message_parsed parsed = message_parse_request(&head, buf_span(&c->in), &fault);
		if (parsed == MESSAGE_MORE)
			break;
		keep = exchange_run(c, parsed == MESSAGE_WHOLE ? &head : NULL, &fault);
	}
	message_fini(&head);
	c->release(c, keep);
}
