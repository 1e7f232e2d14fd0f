/*
 * conn: one client connection. It belongs either to its lane's thread (waiting for a request) or to one worker (being
 * answered), never to both; the hand-over is conn->busy, changed under the lane's lock.
 */
#ifndef CURLEW_SERVE_CONN_H
#define CURLEW_SERVE_CONN_H

#include "base/buf.h"
#include "serve/workers.h"

#include <stdatomic.h>
#include <stdint.h>

struct lane;

struct conn {
	int fd; /* blocking; its send timeout is set */
	struct lane *lane;
	struct buf in; /* received and not yet consumed; no memory while idle */
	char *rest;    /* the end of an answer that the lane could not send without waiting, or NULL */
	size_t rest_bytes;
	bool busy;     /* a worker has it */
	bool local;    /* the peer is a loopback address */
	int64_t since_ms; /* monotonic: when it became idle, or its head's first byte came */
	struct work work; /* its place in the workers' queue */
	struct conn *next, **link; /* in the lane's list of all its connections */
};

/* Ends a connection that a worker has. linger: read what the client still sends for a moment, so that it
 * gets the answer instead of a reset (RFC 9112 9.6). */
void conn_close(struct conn *, bool linger);
/* Sends what the lane left over, waiting. 0, or -1: the client is gone. */
int conn_send_rest(struct conn *);
/* Gives a connection back to its lane to wait for the next request. */
void conn_return(struct conn *);
/* True while the server is draining: answers then say Connection: close. */
bool conn_draining(const struct conn *);

#endif
