/*
 * One thread relays both directions. It never blocks on one socket while the other has something to do: it waits for
 * both with poll(), and each direction has a buffer of its own.
 */
#include "proxy/relay.h"

#include "base/clock.h"
#include "base/stats.h"
#include "net/client_limits.h"
#include "proxy/options.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum { BUFFER_BYTES = 64 << 10, PAUSE_MOST_MS = 1000 };

/* One of the two directions. Each has a buffer, so that a side that accepts nothing does not stop the other direction.
 */
struct direction {
	struct tunnel_end *from, *to;
	bool ended;          /* the sender has sent everything */
	struct span waiting; /* what is still to be sent: of `buffer`, or what had arrived before */
	int64_t sent;        /* in all */
	char buffer[BUFFER_BYTES];
};

/* 0 when a call would have blocked, -1 when the connection broke. */
static int may_go_on(void)
{
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* Receives what has arrived, if nothing is waiting, and sends what the other side accepts. -1: the connection broke. */
static int move(struct direction *d)
{
	if (d->waiting.len == 0 && !d->ended) {
		ssize_t got = tunnel_end_recv(d->from, d->buffer, BUFFER_BYTES);
		if (got < 0)
			return may_go_on();
		d->waiting = span_make(d->buffer, (size_t)got);
		d->ended = got == 0;
		if (d->ended)
			tunnel_end_half_close(d->to);
	}
	if (d->waiting.len == 0)
		return 0;
	ssize_t sent = tunnel_end_send(d->to, d->waiting.at, d->waiting.len);
	if (sent < 0)
		return may_go_on();
	stats_add(STATS_BYTES_SENT, sent);
	d->sent += sent;
	d->waiting = span_from(d->waiting, (size_t)sent);
	return 0;
}

/* Waits until one of the directions can move. pause_ms: the one to the client must wait for so long, because the client
 * has used its share of bytes. What poll() returned. */
static int wait_for(struct direction *both, struct conn *conn, int idle_ms, int pause_ms)
{
	struct pollfd p[2];
	int wait_ms = pause_ms > 0 && pause_ms < idle_ms ? pause_ms : idle_ms;
	for (int i = 0; i < 2; i++) {
		const struct tunnel_end *end = both[i].from;
		bool reads = both[i].waiting.len == 0 && !both[i].ended && (i == 0 || pause_ms == 0);
		bool sends = both[1 - i].waiting.len > 0 && (i == 1 || pause_ms == 0);
		p[i] = (struct pollfd){.fd = end->fd, .events = tunnel_end_events(end, reads, sends)};
		if (p[i].events == 0)
			p[i].fd = -1;
		if (reads && tunnel_end_has_bytes(end))
			wait_ms = 0;
	}
	conn_waits(conn, MIN_RATE_STREAM, true);
	int n = poll(p, 2, wait_ms);
	conn_waits(conn, MIN_RATE_STREAM, false);
	return n == 0 && wait_ms < idle_ms ? 1 : n;
}

int64_t relay_run(const struct relay *r, struct conn *conn)
{
	struct direction *both = calloc(2, sizeof *both);
	if (both == NULL)
		return 0;
	both[0].from = both[1].to = r->client;
	both[0].to = both[1].from = r->origin;
	both[0].waiting = r->for_origin;
	both[1].waiting = r->for_client;
	while (!both[0].ended || !both[1].ended || both[0].waiting.len > 0 || both[1].waiting.len > 0) {
		int64_t bandwidth = options_now(conn->context)->limits.bandwidth, before = both[1].sent;
		int64_t pause_ms = client_limit_wait_ms(conn->limit, bandwidth, clock_ms());
		int n = wait_for(both, conn, r->idle_ms, (int)(pause_ms < PAUSE_MOST_MS ? pause_ms : PAUSE_MOST_MS));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || move(&both[0]) != 0 || (pause_ms == 0 && move(&both[1]) != 0))
			break;
		client_limit_sent(conn->limit, bandwidth, (size_t)(both[1].sent - before), clock_ms());
	}
	int64_t sent = both[1].sent;
	free(both);
	return sent;
}
