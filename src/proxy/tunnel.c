#include "proxy/tunnel.h"

#include "base/stats.h"
#include "fetch/connect_tunnel.h"
#include "net/listeners.h"
#include "proxy/options.h"
#include "proxy/relay.h"
#include "proxy/request_body.h"
#include "proxy/synthetic.h"

#include <stdio.h>
#include <stdlib.h>

static bool port_allowed(const char *ports, int port)
{
	while (ports != NULL && *ports != '\0') {
		char *end;
		if (strtol(ports, &end, 10) == port && end != ports)
			return true;
		ports = strchr(end, ',');
		if (ports != NULL)
			ports++;
	}
	return false;
}

/* Only the host of a tunnel is known, not what passes through it. So the rules for https://HOST/ decide. True: a rule
 * forbids the tunnel, and a response was sent. */
static bool is_ruled_out(struct exchange *x)
{
	struct buf url;
	char cache[48];
	buf_init(&url, BUF_HEAD);
	buf_addf(&url, "https://%s", x->target.host);
	if (x->target.port != 443)
		buf_addf(&url, ":%d", x->target.port);
	buf_addc(&url, '/');
	const struct store_rules *rules = store_rules_take(x->context->store, -1);
	rules_judge(rules->rules, buf_str(&url), 0, &x->decision);
	store_rules_drop(rules);
	const struct rule_decision *r = &x->decision;
	snprintf(cache, sizeof cache, "detail=\"rule %lld: %s\"", (long long)(r->deny ? r->deny_rule : r->offline_rule),
	    r->deny ? "deny" : "offline");
	if (r->deny)
		synthetic_text(x, 403, cache, "a tunnel to %s is denied by rule %lld (see `curlew rule ls`)",
		    buf_str(&url), (long long)r->deny_rule);
	else if (r->offline)
		synthetic_text(x, 504, cache,
		    "a tunnel to %s is forbidden by rule %lld: offline (see `curlew rule ls`)", buf_str(&url),
		    (long long)r->offline_rule);
	buf_fini(&url);
	return r->deny || r->offline;
}

void tunnel_respond(struct exchange *x, int client_fd, struct span early)
{
	struct connect_tunnel_to to = {.host = x->target.host, .port = x->target.port};
	struct flight_response a = {.body_bytes = -1};
	struct tunnel_end origin, client = tunnel_end_of(client_fd);
	char message[256];
	x->verdict = "tunnel";
	if (!port_allowed(conf_text(x->options->conf, "connect-ports"), to.port)) {
		synthetic_text(
		    x, 403, NULL, "a tunnel to port %d is not allowed (allow it with --connect-ports)", to.port);
		return;
	}
	if (is_ruled_out(x))
		return;
	if (connect_tunnel(flight_engine(x->context->flights), &to, &origin, &a.outcome, message) != 0) {
		a.message = message;
		synthetic_failure(x, &a, NULL);
		return;
	}
	if (listeners_have_peer(x->context->listeners, origin.fd)) {
		tunnel_end_close(&origin);
		synthetic_text(x, 508, NULL, "the tunnel would lead back to this server");
		return;
	}
	stats_add(STATS_TUNNELS, 1);
	x->status = 200;
	struct relay relay = {
	    .client = &client,
	    .origin = &origin,
	    .for_client = span_of("HTTP/1.1 200 Connection established\r\n\r\n"),
	    .for_origin = early,
	    .idle_ms = (int)(conf_seconds(x->options->conf, "idle-timeout") * 1000),
	};
	int64_t sent = relay_run(&relay, x->body->conn);
	x->tunnel_bytes = sent > (int64_t)relay.for_client.len ? sent - (int64_t)relay.for_client.len : 0;
	tunnel_end_close(&origin);
}
