/*
 * dispatch: chooses the handler of a request.
 *
 * Two ways lead to dispatch_route(). A request from a socket passes dispatch() first, which decides by the kind of its
 * target: curlew's own pages, a local file, a tunnel, or a URL. `get` has a URL from the start.
 *
 * Where the thread may block (exchange.loop is NULL), the response has been sent when a function returns. On an event
 * loop, exchange.state says how far the exchange has come.
 */
#ifndef CURLEW_PROXY_DISPATCH_H
#define CURLEW_PROXY_DISPATCH_H

#include "net/conn.h"
#include "proxy/exchange.h"

struct http1_writer;

/* Serves a request from a socket. head: x->request, which may be changed. */
void dispatch(struct exchange *, struct conn *, struct http1_writer *, struct head *);
/* Serves a request whose target is known, from the cache or from the origin. */
void dispatch_route(struct exchange *);
/* Refuses a malformed request. */
void dispatch_refuse(struct exchange *, const struct fault *);

/* For EXCHANGE_WAITS and EXCHANGE_PLANNED: goes on to the end of the response. Blocks, unless the response that is
 * waited for is whole (cache_handler_end()). */
void dispatch_continue(struct exchange *);
/* Gives the exchange up in whatever state it is. */
void dispatch_abandon(struct exchange *);

#endif
