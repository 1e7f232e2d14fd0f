/*
 * body_relay: passes a request body from the client to a flight, while the response may already be arriving.
 *
 * If the whole body is in memory, body_relay_begin() passes it on and is done. Otherwise a second pool thread reads it,
 * and until body_relay_end() returns, that thread alone uses x->body and its socket for reading; it also sets
 * x->bad_body and may call x->sink->go_on(). The thread that serves the request does everything else.
 */
#ifndef CURLEW_PROXY_BODY_RELAY_H
#define CURLEW_PROXY_BODY_RELAY_H

#include "proxy/exchange.h"

struct body_relay;

/* Begins. expects: waits until the origin wants the body, and then sends the client 100 (Continue) (RFC 9110 10.1.1).
 * NULL: nothing is left to do: the body has been passed on, or the relay failed, and with it the upload. */
struct body_relay *body_relay_begin(struct exchange *, struct flight_reader *, bool expects);
/* After the response has been sent: waits for the second thread. If it still reads the body, it is stopped first, and
 * x->close is set, because the rest of the body is still to come on the connection. NULL is fine. */
void body_relay_end(struct body_relay *);

#endif
