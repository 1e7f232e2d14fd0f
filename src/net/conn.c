/*
 * The sockets block, because pool threads use them with plain calls; loops pass MSG_DONTWAIT instead. A send() blocks
 * for
 * --send-timeout at most without progress (net/listeners.c sets it), so a client that reads nothing cannot hold a
 * thread for ever.
 */
#include "net/conn.h"

#include "base/cidr.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long conn_linger() waits for more bytes, and in all: a client that never stops must not hold a thread. */
enum { LINGER_MS = 500, LINGER_IN_ALL_MS = 2000 };

struct conn *conn_of_work(struct work *work)
{
	return (struct conn *)(void *)((char *)work - offsetof(struct conn, work));
}

void conn_waits(struct conn *c, enum min_rate_wait what, bool waits)
{
	/* Relaxed: the first loop reads the bits once a second, and a value that is a moment old does no harm. */
	if (waits)
		atomic_fetch_or_explicit(&c->waits, what, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&c->waits, ~(unsigned)what, memory_order_relaxed);
}

static int send_all(const struct conn *c, struct span bytes, int flags)
{
	while (bytes.len > 0) {
		ssize_t n = send(c->fd, bytes.at, bytes.len, MSG_NOSIGNAL | flags);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* EAGAIN too: the send timeout is over, and the client has taken nothing */
			return -1;
		bytes = span_from(bytes, (size_t)n);
	}
	return 0;
}

int conn_send_rest(struct conn *c)
{
	int rc = 0;
	if (c->rest != NULL)
		rc = send_all(c, span_make(c->rest, c->rest_bytes), c->rest_body.len > 0 ? MSG_MORE : 0);
	if (rc == 0)
		rc = send_all(c, c->rest_body, 0);
	conn_drop_rest(c);
	return rc;
}

void conn_drop_rest(struct conn *c)
{
	free(c->rest);
	shared_bytes_drop(c->rest_owner);
	c->rest = NULL;
	c->rest_owner = NULL;
	c->rest_body = span_make(NULL, 0);
}

/* The client may go on sending for a long time, or stay silent without closing. Two bounds end the wait: none of it may
 * hold a pool thread that others wait for. */
void conn_linger(struct conn *c)
{
	char page[16 << 10];
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	int64_t until = clock_ms() + LINGER_IN_ALL_MS;
	if (c->reset) { /* with l_linger 0, close() sends a reset instead of an end that would look orderly */
		struct linger hard = {.l_onoff = 1, .l_linger = 0};
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		return;
	}
	if (shutdown(c->fd, SHUT_WR) != 0) /* the client is gone already */
		return;
	while (clock_ms() < until && poll(&p, 1, LINGER_MS) > 0) {
		ssize_t n = recv(c->fd, page, sizeof page, MSG_DONTWAIT);
		if (n <= 0)
			break;
	}
}

/* The number by which the pool serves clients in turn (fair_queue.h): the address. Of an IPv6 address it is the first
 * half, because a client with one address has usually all those of that half. */
static uint64_t queue_number(const struct conn *c)
{
	uint64_t number = 0;
	bool v4 = cidr_is_v4(&c->peer);
	if (!c->unix_socket)
		memcpy(&number, c->peer.s6_addr + (v4 ? 12 : 0), v4 ? 4 : 8);
	return number;
}

static void set_peer(struct conn *c, bool local)
{
	c->local = local; /* decides who may see curlew's own pages */
	c->work.item.client = queue_number(c);
}

/* The address is the kernel's, so no client can choose it. */
void conn_set_peer(struct conn *c, const struct sockaddr_storage *at)
{
	c->unix_socket = !cidr_of_socket((const struct sockaddr *)at, &c->peer);
	if (c->unix_socket)
		cidr_parse_address(span_of("127.0.0.1"), &c->peer);
	set_peer(c, cidr_is_loopback(&c->peer));
}

/* A loopback address is on the machine of the front. It is a client of this machine only if the front is here too. */
void conn_set_client(struct conn *c, const struct proxy_header *h)
{
	bool elsewhere = h->sender == PROXY_HEADER_CLIENT && cidr_is_loopback(&h->client) && !c->local;
	if (h->sender == PROXY_HEADER_FRONT)
		return;
	c->unnamed = h->sender == PROXY_HEADER_UNKNOWN || elsewhere;
	if (!c->unnamed) {
		c->peer = h->client;
		c->unix_socket = false;
	}
	set_peer(c, !c->unnamed && cidr_is_loopback(&c->peer));
}

void conn_peer(const struct conn *c, char text[CONN_PEER])
{
	if (c->unix_socket)
		strcpy(text, "unix:");
	else
		cidr_print(&c->peer, text);
}
