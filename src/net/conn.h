/*
 * conn: one client connection. It belongs either to its loop's thread (waiting for a request) or to one worker (being
 * answered), never to both; the hand-over is `busy`, changed under the loop's lock. A worker knows no loop: it gives
 * the connection back by release().
 */
#ifndef CURLEW_NET_CONN_H
#define CURLEW_NET_CONN_H

#include "base/buf.h"
#include "net/min_rate.h"
#include "net/threadpool.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

struct loop;
struct context;

enum { CONN_PEER = 46 }; /* bytes of an address as text, its NUL included */

struct conn {
	int fd; /* blocking; its send timeout is set */
	const struct context *context;
	struct buf in; /* received and not yet consumed; no memory while idle */
	char *rest;    /* the end of an answer that the loop could not send without waiting, or NULL */
	size_t rest_bytes;
	bool reset;                  /* end it with a reset: an answer whose end is the connection's broke off */
	bool local;                  /* the peer is on this machine: a loopback address or a unix socket */
	bool admin;                  /* it came by --admin-listen: curlew's own pages and nothing else */
	int family;                  /* of the peer, which the socket does not tell any more once it is broken */
	struct in6_addr peer;        /* an IPv4 address in its first four bytes */
	const atomic_bool *draining; /* answers should say Connection: close */
	/* A worker is done: keep to wait for the next request, else to end. The conn is not the worker's any more. */
	void (*release)(struct conn *, bool keep);
	struct work work;  /* its place in the threadpool' queue; its client: the peer's address */
	atomic_uint waits; /* min_rate_wait bits: what its request waits for; by those who wait */

	/* the loop's */
	struct loop *loop;
	bool busy;    /* a worker has it */
	bool lingers; /* all has been sent: what still comes is thrown away until the client ends its side */
	struct min_rate_meter meter; /* these three are the first loop's, under the lock of the connection's loop */
	struct min_rate_slow rate;
	bool slow;
	int64_t since_ms; /* monotonic: when it became idle, or its head's first byte came */
	struct conn *next, **link;
};

/* The connection of a piece of work. */
struct conn *conn_of_work(struct work *);
/* The request waits, or no longer waits, for this. */
void conn_waits(struct conn *, enum min_rate_wait, bool);
/* Sends what the loop left over, waiting. 0, or -1: the client is gone. */
int conn_send_rest(struct conn *);
/* Ends our side and reads what the client still sends for a moment, so that it gets the answer instead of a reset (RFC
 * 9112 9.6). */
void conn_linger(struct conn *);
/* Notes the peer of a new connection. */
void conn_set_peer(struct conn *, const struct sockaddr_storage *);
/* The peer's address, "unix:" of a unix socket. */
void conn_peer(const struct conn *, char text[CONN_PEER]);

#endif
