/*
 * exchange_run: one exchange on a connection, from the request head in conn->in to the line in the access log.
 *
 * A pool thread runs an exchange from begin to end with blocking calls. An event loop begins one without blocking; what
 * is left of it is continued by the loop, when a fetch has brought a small response, or else by a pool thread. The
 * struct is what such an exchange takes along. It belongs to the owner of the connection.
 */
#ifndef CURLEW_PROXY_EXCHANGE_RUN_H
#define CURLEW_PROXY_EXCHANGE_RUN_H

#include "net/conn.h"
#include "proxy/exchange.h"

enum { EXCHANGE_RUN_BODY = 64 << 10 }; /* the largest body that an event loop sends after a fetch */

struct exchange_run;

/* conn->work.run, on a pool thread: sends conn->rest, continues conn->run, serves the requests in conn->in, and
 * releases the connection. Blocks. */
void exchange_run_on_pool(struct work *);

enum exchange_begun {
	EXCHANGE_BEGUN_OVER,    /* the response was made: call exchange_run_end() */
	EXCHANGE_BEGUN_WAITS,   /* conn->run leads a fetch: notify() will be called */
	EXCHANGE_BEGUN_FOR_POOL /* nothing was sent: a pool thread must go on */
};

/* Begins the request at the front of conn->in, which must be whole, on the thread of an event loop. Does not block. */
enum exchange_begun exchange_run_begin(struct conn *, const struct exchange_loop *);
/* After notify(): FLIGHT_WHOLE: exchange_run_end() may be called. */
enum flight_progress exchange_run_progress(const struct conn *);
/* Ends the exchange conn->run on the thread of the loop, without blocking: sends the response, and writes the log. What
 * the socket does not take is in conn->rest. True: the connection may carry another request. */
bool exchange_run_end(struct conn *);
/* From now on the exchange conn->run may block; a pool thread will go on with it. NULL is fine. */
void exchange_run_leave_loop(struct conn *);
/* Gives up the exchange conn->run; the connection will be closed. NULL is fine. */
void exchange_run_abandon(struct conn *);

#endif
