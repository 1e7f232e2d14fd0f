/*
 * request: one request's story on a worker, from its head to the end of its answer, and on to the next one that already
 * stands in the connection's buffer.
 */
#ifndef CURLEW_PROXY_DISPATCH_H
#define CURLEW_PROXY_DISPATCH_H

#include "net/conn.h"
#include "proxy/exchange.h"

/* The work of a conn whose buffer holds a whole head or a malformed one. Gives the conn back. */
void dispatch_run(struct work *);

/* Decides who answers x, and lets it: for requests by socket and by `get` alike. target must be made. */
void dispatch_route(struct exchange *);

#endif
