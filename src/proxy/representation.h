/*
 * representation: a complete body with its fields, ready to be sent: a stored entry, stored parts of one, or a local
 * file.
 *
 * The struct borrows all it points to. Its owner keeps that alive until the response has been sent.
 */
#ifndef CURLEW_PROXY_REPRESENTATION_H
#define CURLEW_PROXY_REPRESENTATION_H

#include "proxy/exchange.h"

struct partial_body;

struct representation {
	int status;
	struct span fields; /* as stored */
	int64_t bytes;
	int fd;                            /* of the body; -1: it has none, or `pieces` has it */
	const struct partial_body *pieces; /* the parts of the body that are stored; NULL: `fd` has the body */
	bool reused;         /* another client's request fetched it: Set-Cookie is left out unless it may be shared */
	struct span cookies; /* Set-Cookie lines that came for this client */
	bool encodes;        /* as in struct response_head */
	int64_t age_s;       /* -1: local, not cached */
	const char *cache;   /* Cache-Status items, or NULL */
};

/* Sends n bytes of the body, from offset `at`. Returns what the sink returns. */
int representation_send(struct exchange *, const struct representation *, int64_t at, int64_t n);

#endif
