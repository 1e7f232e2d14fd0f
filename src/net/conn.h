/*
 * conn: one client connection.
 *
 * It has one owner at a time: the thread of its event loop while it waits for a request, and a pool thread while a
 * request is served. `busy` says which; it changes under the loop's lock only (server/loop_state.h). The owner may use
 * every member of the first group without a lock. A pool thread knows no loop: it gives the connection back by calling
 * release().
 */
#ifndef CURLEW_NET_CONN_H
#define CURLEW_NET_CONN_H

#include "base/buf.h"
#include "base/shared_bytes.h"
#include "net/min_rate.h"
#include "net/proxy_header.h"
#include "net/threadpool.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

struct exchange_run;
struct loop;
struct context;
struct options;
struct client_limit;

enum { CONN_PEER = 46 }; /* bytes of an address as text, its NUL included */

/* Why no request of a connection is served. */
enum conn_refusal {
	CONN_WELCOME,     /* they are served */
	CONN_NOT_ALLOWED, /* --allow-from does not hold the client */
	CONN_TOO_MANY,    /* there are --max-connections others */
	CONN_TOO_MANY_OF_CLIENT
};

/* What a loop must check before it responds, as bits. */
enum conn_check {
	CONN_CHECK_REFUSED = 1, /* the connection is refused */
	CONN_CHECK_CLIENT = 2,  /* the peer is a front: each request has a client of its own */
	CONN_CHECK_LIMITS = 16, /* requests or bytes are counted */
	CONN_CHECK_USER = 8,    /* some requests need a password */
	CONN_CHECK_HEADER = 4   /* its PROXY header has not been read, and no request before it */
};

struct conn {
	/* the owner's */
	int fd; /* a blocking socket with a send timeout; nobody closes it but the owner, under the loop's lock */
	const struct context *context;
	struct buf in; /* received and not yet consumed; holds no memory while the connection is idle */
	char *rest;    /* the end of a response that the loop could not send without blocking; NULL: none */
	size_t rest_bytes;
	struct shared_bytes *rest_owner; /* of rest_body, which follows `rest`; NULL: nothing follows */
	struct span rest_body;
	struct exchange_run *run; /* an exchange that the loop has begun and that goes on (proxy/exchange_run.h); NULL:
				     none */
	bool last;                /* no request follows the response in rest */
	bool reset;           /* close it with a reset: a response whose end is the end of the connection broke off */
	bool local;           /* the peer is on this machine: a loopback address or a unix socket */
	bool admin;           /* it arrived at --admin-listen: only curlew's own pages are served */
	bool unix_socket;     /* the peer is at the other end of a unix socket */
	bool unnamed;         /* a front sent a PROXY header that does not name its client: peer is the front */
	struct in6_addr peer; /* its address (base/cidr.h), or that of a PROXY header; of a unix socket 127.0.0.1 */
	const struct options *options; /* under which it was judged (proxy/options.h); it set the next two */
	enum conn_refusal refusal;
	unsigned checks;             /* of enum conn_check; 0 for most */
	struct client_limit *limit;  /* of the peer (net/client_limits.h); NULL: none */
	bool counted;                /* as one of its connections */
	bool paid;                   /* the request at the front has been counted already */
	const atomic_bool *draining; /* responses should say Connection: close */

	/* The pool thread is done with it. keep: it may carry another request; else it is to be closed. The caller does
	 * not own it afterwards. */
	void (*release)(struct conn *, bool keep);

	struct work work;  /* its place in the pool's queue; the queue's client is the peer's address */
	atomic_uint waits; /* what its request waits for now, as bits of min_rate_wait; see conn_waits() */

	/* the loops': see server/loop_state.h */
	struct loop *loop;
	bool busy;     /* a pool thread owns it; under the loop's lock */
	bool lingers;  /* everything has been sent: what still arrives is discarded until the client ends its side */
	bool is_ready; /* its fetch has brought something: it is in the loop's list `ready` */
	struct conn *next_ready;
	int64_t since_ms;          /* monotonic: when it became idle, or when the first byte of a head arrived */
	bool listed;               /* it is in a loop's list; the owner's, and never false again */
	struct conn *next, **link; /* the loop's list; under the loop's lock */

	/* the measurement of its rate: the first loop's thread only, under the lock of the connection's loop */
	struct min_rate_meter meter;
	struct min_rate_slow rate;
	bool slow;
};

/* The connection that a piece of work is a member of. */
struct conn *conn_of_work(struct work *);

/* The request begins (true) or ends (false) to wait for this. Any thread that serves the request: a request whose body
 * is relayed is served by two. */
void conn_waits(struct conn *, enum min_rate_wait, bool);

/* Sends what the loop left over. Blocks. 0, or -1: the client is gone. The owner only, like the next two. */
int conn_send_rest(struct conn *);

/* Frees what is left over. */
void conn_drop_rest(struct conn *);

/* Ends our side, then reads and discards for a moment what the client still sends. Bytes that were not read would make
 * the kernel reset the connection, and the client could lose the response (RFC 9112 9.6). Blocks for 2 seconds at most.
 */
void conn_linger(struct conn *);

/* Notes the peer of a new connection. */
void conn_set_peer(struct conn *, const struct sockaddr_storage *);
/* Notes the client that a front has named in a PROXY header: from now on it is the peer. */
void conn_set_client(struct conn *, const struct proxy_header *);

/* The peer's address as text; "unix:" for a unix socket. */
void conn_peer(const struct conn *, char text[CONN_PEER]);

#endif
