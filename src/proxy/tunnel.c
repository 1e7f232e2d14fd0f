/*
 * One thread relays both directions. It never blocks on one socket while the other has something to do: it waits for
 * both with poll(), and each direction has a buffer of its own.
 */
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

enum { BUFFER_BYTES = 64 << 10 };

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

/* libcurl made the origin's socket non-blocking, so we wait for room ourselves. */
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

/* One of the two directions. Each has a buffer, so that a side that accepts nothing does not stop the other direction.
 */
struct direction {
	int from, to;
	bool ended;   /* the sender has sent everything */
	size_t at, n; /* of `buffer`: what is still to be sent */
	int64_t sent; /* in all */
	char buffer[BUFFER_BYTES];
};

/* Receives what has arrived, if the buffer is empty, and sends what the other side accepts. -1: the connection broke.
 */
static int move(struct direction *d)
{
	if (d->n == 0 && !d->ended) {
		ssize_t got = recv(d->from, d->buffer, BUFFER_BYTES, MSG_DONTWAIT);
		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		d->at = 0;
		d->n = (size_t)got;
		d->ended = got == 0;
		if (d->ended)
			shutdown(d->to, SHUT_WR);
	}
	if (d->n == 0)
		return 0;
	ssize_t sent = send(d->to, d->buffer + d->at, d->n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	stats_add(STATS_BYTES_SENT, sent);
	d->at += (size_t)sent;
	d->sent += sent;
	d->n -= (size_t)sent;
	return 0;
}

/* Relays until both sides have ended, one broke, or nothing moved for idle_ms. Returns how many bytes the client got.
 */
static int64_t relay(struct exchange *x, int client, int origin, int idle_ms)
{
	struct direction *both = calloc(2, sizeof *both);
	if (both == NULL)
		return 0;
	both[0].from = both[1].to = client;
	both[0].to = both[1].from = origin;
	while (!both[0].ended || !both[1].ended || both[0].n > 0 || both[1].n > 0) {
		struct pollfd p[2] = {{.fd = client}, {.fd = origin}};
		for (int i = 0; i < 2; i++) {
			bool reads = both[i].n == 0 && !both[i].ended, sends = both[1 - i].n > 0;
			p[i].events = (short)((reads ? POLLIN : 0) | (sends ? POLLOUT : 0));
			if (p[i].events == 0)
				p[i].fd = -1;
		}
		conn_waits(x->body->conn, MIN_RATE_STREAM, true);
		int n = poll(p, 2, idle_ms);
		conn_waits(x->body->conn, MIN_RATE_STREAM, false);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || move(&both[0]) != 0 || move(&both[1]) != 0)
			break;
	}
	int64_t sent = both[1].sent;
	free(both);
	return sent;
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
	const struct store_rules *rules = store_rules_take(x->context->store);
	rules_judge(rules->rules, buf_str(&url), &x->decision);
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

int64_t tunnel_respond(struct exchange *x, int client_fd, struct span early)
{
	int port = x->target.port;
	struct flight_response a = {.body_bytes = -1};
	char message[256];
	x->verdict = "tunnel";
	if (!port_allowed(conf_text(x->context->conf, "connect-ports"), port)) {
		synthetic_text(
		    x, 403, NULL, "a tunnel to port %d is not allowed (allow it with --connect-ports)", port);
		return 0;
	}
	if (is_ruled_out(x))
		return 0;
	int fd = connect_tunnel(flight_engine(x->context->flights), x->target.host, port, &a.outcome, message);
	if (fd < 0) {
		a.message = message;
		synthetic_failure(x, &a, NULL);
		return 0;
	}
	if (listeners_have_peer(x->context->listeners, fd)) {
		close(fd);
		synthetic_text(x, 508, NULL, "the tunnel would lead back to this server");
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
