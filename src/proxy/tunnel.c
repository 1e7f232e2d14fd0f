/* CONNECT (RFC 9110 9.3.6): a blind tunnel of bytes between two sockets, on one worker. */
#include "proxy/tunnel.h"

#include "base/stats.h"
#include "fetch/connect_tunnel.h"
#include "net/listeners.h"
#include "proxy/request_body.h"
#include "proxy/synthetic.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAGE_BYTES = 64 << 10 };

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

/* The origin's socket is libcurl's and does not block: then we wait for room. */
static int send_all(int fd, const char *bytes, size_t n, int idle_ms)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN && poll(&room, 1, idle_ms) > 0)
			continue;
		if (sent <= 0)
			return -1;
		bytes += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* One of the two ways. Each has its own bytes under way, so that a side that takes nothing does not stop the other way.
 */
struct way {
	int from, to;
	bool ended;   /* the side it comes from */
	size_t at, n; /* of page: what is still to be sent */
	int64_t sent; /* in all */
	char page[PAGE_BYTES];
};

/* Takes what has come and sends what there is room for. -1: broken. */
static int move(struct way *w)
{
	if (w->n == 0 && !w->ended) {
		ssize_t got = recv(w->from, w->page, PAGE_BYTES, MSG_DONTWAIT);
		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		w->at = 0;
		w->n = (size_t)got;
		w->ended = got == 0;
		if (w->ended)
			shutdown(w->to, SHUT_WR);
	}
	if (w->n == 0)
		return 0;
	ssize_t sent = send(w->to, w->page + w->at, w->n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	stats_add(STATS_BYTES_SENT, sent);
	w->at += (size_t)sent;
	w->sent += sent;
	w->n -= (size_t)sent;
	return 0;
}

/* Both ways until both sides have ended, one broke, or nothing moved for the idle time. Returns the bytes sent to the
 * client. */
static int64_t relay(struct exchange *x, int client, int origin, int idle_ms)
{
	struct way *ways = calloc(2, sizeof *ways);
	if (ways == NULL)
		return 0;
	ways[0].from = ways[1].to = client;
	ways[0].to = ways[1].from = origin;
	while (!ways[0].ended || !ways[1].ended || ways[0].n > 0 || ways[1].n > 0) {
		struct pollfd p[2] = {{.fd = client}, {.fd = origin}};
		for (int i = 0; i < 2; i++) {
			bool reads = ways[i].n == 0 && !ways[i].ended, sends = ways[1 - i].n > 0;
			p[i].events = (short)((reads ? POLLIN : 0) | (sends ? POLLOUT : 0));
			if (p[i].events == 0)
				p[i].fd = -1;
		}
		conn_waits(x->body->conn, MIN_RATE_STREAM, true);
		int n = poll(p, 2, idle_ms);
		conn_waits(x->body->conn, MIN_RATE_STREAM, false);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || move(&ways[0]) != 0 || move(&ways[1]) != 0)
			break;
	}
	int64_t sent = ways[1].sent;
	free(ways);
	return sent;
}

/* What passes through a tunnel nobody sees, only where it goes: what rules say of https://host/ holds for it. True: it
 * was refused. */
static bool is_ruled_out(struct exchange *x)
{
	struct buf url;
	char cache[48];
	buf_init(&url, BUF_HEAD);
	buf_addf(&url, "https://%s", x->target.host);
	if (x->target.port != 443)
		buf_addf(&url, ":%d", x->target.port);
	buf_addc(&url, '/');
	const struct store_rules *rules = store_rules_take(x->context->store);
	rules_judge(rules->rules, buf_str(&url), &x->decision);
	store_rules_drop(rules);
	const struct rule_decision *r = &x->decision;
	snprintf(cache, sizeof cache, "detail=\"rule %lld: %s\"", (long long)(r->deny ? r->deny_rule : r->offline_rule),
	    r->deny ? "deny" : "offline");
	if (r->deny)
		synthetic_text(x, 403, cache, "a tunnel to %s: denied by rule %lld (see `curlew rule ls`)",
		    buf_str(&url), (long long)r->deny_rule);
	else if (r->offline)
		synthetic_text(x, 504, cache,
		    "a tunnel to %s: rule %lld keeps it off the network (see `curlew rule ls`)", buf_str(&url),
		    (long long)r->offline_rule);
	buf_fini(&url);
	return r->deny || r->offline;
}

int64_t tunnel_respond(struct exchange *x, int client_fd, struct span early)
{
	int port = x->target.port;
	struct flight_response a = {.body_bytes = -1};
	char message[256];
	x->verdict = "tunnel";
	if (!port_allowed(conf_text(x->context->conf, "connect-ports"), port)) {
		synthetic_text(x, 403, NULL, "CONNECT to port %d is not allowed (allow it with --connect-ports)", port);
		return 0;
	}
	if (is_ruled_out(x))
		return 0;
	int fd = connect_tunnel(flight_table_engine(x->context->flights), x->target.host, port, &a.outcome, message);
	if (fd < 0) {
		a.message = message;
		synthetic_failure(x, &a, NULL);
		return 0;
	}
	if (listeners_have_peer(x->context->listeners, fd)) {
		close(fd);
		synthetic_text(x, 508, NULL, "a tunnel to this server itself");
		return 0;
	}
	stats_add(STATS_TUNNELS, 1);
	x->status = 200;
	static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	int idle_ms = (int)(conf_seconds(x->context->conf, "idle-timeout") * 1000);
	int64_t sent = 0;
	if (send_all(client_fd, established, sizeof established - 1, idle_ms) == 0 &&
	    send_all(fd, early.at, early.len, idle_ms) == 0)
		sent = relay(x, client_fd, fd, idle_ms);
	close(fd);
	return sent;
}
