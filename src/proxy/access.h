/*
 * access: who may use the server, and how much, as the options say: --allow-from, --users,
 * --proxy-protocol-from, and the limits of each client.
 *
 * A connection is judged when it is accepted (access_judge()), and again by its loop when the settings have been
 * replaced. What is decided there is in conn->refusal and conn->checks, so that a hit from memory costs one test of
 * them. A request is judged by access_refuses().
 */
#ifndef CURLEW_PROXY_ACCESS_H
#define CURLEW_PROXY_ACCESS_H

#include "proxy/client.h"
#include "proxy/options.h"

struct exchange;

/* 0, or -1 when other machines can connect and nothing says which of them may use this proxy (reported). Warns when
 * everybody may. beyond: there is a listener that is no loopback address. The main thread, at start. */
int access_check_exposure(const struct conf *, bool beyond);

/* True when a new connection must begin with a PROXY header: its peer is in --proxy-protocol-from. */
bool access_awaits_header(const struct options *, const struct conn *);

/* Sets c->refusal, c->checks and c->options. A connection whose PROXY header has not been read is judged afterwards.
 * The owner of the connection. */
void access_judge(const struct options *, struct conn *);
/* True when a client may send requests. */
bool access_allows(const struct options *, const struct client *);
/* True when a request needs the password of a user: every request with --users, except for our own pages, for the
 * server as a whole, and by prefix from this machine. */
bool access_needs_user(const struct options *, const struct client *, struct span target);
/* True: the request must not be dispatched. It was refused and a response was sent, or, on an event loop, it is left to
 * a pool thread (EXCHANGE_UNSERVED). Otherwise x->user is set. */
bool access_refuses(struct exchange *, struct conn *);

#endif
