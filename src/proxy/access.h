/*
 * access: who may use the server, as the options say: --allow-from, --users, --proxy-protocol-from.
 *
 * A struct access is made from a conf and does not change. The context points to the one that holds now, and
 * access_replace() puts another in its place while the server runs. Connections and requests in progress may still use
 * an old one, so all of them live until the context is closed.
 *
 * A connection is judged when it is accepted (access_judge()), and again by its loop when the options have been
 * replaced. What is decided there is in conn->refusal and conn->checks, so that a hit from memory costs one test of
 * them. A request is judged by access_refuses().
 */
#ifndef CURLEW_PROXY_ACCESS_H
#define CURLEW_PROXY_ACCESS_H

#include "base/conf.h"
#include "proxy/client.h"
#include "proxy/context.h"

struct exchange;

struct access {
	const struct conf *conf;
	const struct cidr_list *allowed; /* NULL: everybody */
	struct users *users;             /* NULL: no passwords */
	struct access *older;            /* those that it replaced */
};

/* Makes what the options of conf say the one that holds. conf must outlive the context. 0, or -1 with a sentence in
 * why; then nothing has changed. The main thread. */
int access_replace(struct context *, const struct conf *, struct buf *why);
/* Frees all of them. No other thread may use the context any more. */
void access_free(struct context *);
/* The one that holds now; it stays valid until access_free(). Any thread. */
static inline const struct access *access_now(const struct context *context)
{
	return atomic_load_explicit(&context->access, memory_order_acquire);
}

/* 0, or -1 when other machines can connect and nothing says which of them may use this proxy (reported). Warns when
 * everybody may. beyond: there is a listener that is no loopback address. The main thread, at start. */
int access_check_exposure(const struct conf *, bool beyond);

/* True when a new connection must begin with a PROXY header: its peer is in --proxy-protocol-from. */
bool access_awaits_header(const struct access *, const struct conn *);

/* Sets c->refusal, c->checks and c->access. A connection whose PROXY header has not been read is judged afterwards. The
 * owner of the connection. */
void access_judge(const struct access *, struct conn *);
/* True when a client may send requests. */
bool access_allows(const struct access *, const struct client *);
/* True when a request needs the password of a user: every request with --users, except for our own pages, for the
 * server as a whole, and by prefix from this machine. */
bool access_needs_user(const struct access *, const struct client *, struct span target);
/* True: the request must not be dispatched. It was refused and a response was sent, or, on an event loop, it is left to
 * a pool thread (EXCHANGE_UNSERVED). Otherwise x->user is set. */
bool access_refuses(struct exchange *, struct conn *);

#endif
