/*
 * upload: a request body on its way from the client to a flight, while the answer may already be coming back: a second
 * worker reads it, unless it stands in memory whole.
 */
#ifndef CURLEW_PROXY_BODY_RELAY_H
#define CURLEW_PROXY_BODY_RELAY_H

#include "proxy/exchange.h"

struct body_relay;

/* Begins to pass x->body on. expects: wait until the origin wants it, then tell the client to go on (RFC 9110 10.1.1).
 * NULL: nothing is left to do. */
struct body_relay *body_relay_begin(struct exchange *, struct flight_reader *, bool expects);
/* The answer has been sent: stops reading if the body is not through (then x->close), and waits for the reader. NULL is
 * fine. */
void body_relay_end(struct body_relay *);

#endif
