/*
 * dispatch: serves the requests of a connection on a pool thread: parses each head, chooses the handler, logs the
 * result, and continues with the next request if it is in the connection's buffer already.
 */
#ifndef CURLEW_PROXY_DISPATCH_H
#define CURLEW_PROXY_DISPATCH_H

#include "net/conn.h"
#include "proxy/exchange.h"

/* conn->work.run: serves a connection whose buffer has a complete or a malformed head, and releases it. Runs on a pool
 * thread, and blocks. */
void dispatch_run(struct work *);

/* Serves one request whose target is known, from the cache or from the origin. `serve` and `get` both come here.
 * Blocks. */
void dispatch_route(struct exchange *);

#endif
