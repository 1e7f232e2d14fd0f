/*
 * request: one request's story on a worker, from its head to the end of its answer, and on to the next one that already stands in the
 * connection's buffer.
 */
#ifndef CURLEW_SERVE_REQUEST_H
#define CURLEW_SERVE_REQUEST_H

#include "serve/conn.h"
#include "serve/exchange.h"

/* The work of a conn whose buffer holds a whole head or a malformed one. Gives the conn back. */
void request_run(struct work *);

/* Decides who answers x, and lets it: for requests by socket and by `get` alike. target must be made. */
void request_route(struct exchange *);

#endif
