/*
 * client: who sent a request, and whether an access list holds them.
 *
 * The client is the peer of the connection, unless the peer is a trusted front (--trust-forwarded): then it is the
 * client that the front names in Forwarded or X-Forwarded-For (http/forwarded.h). Plain values, which the thread that
 * serves the request owns.
 */
#ifndef CURLEW_PROXY_CLIENT_H
#define CURLEW_PROXY_CLIENT_H

#include "base/cidr.h"
#include "http/message.h"
#include "net/conn.h"

struct conf;

struct client {
	struct in6_addr at;    /* for lists, logs and limits; of a unix socket 127.0.0.1 */
	struct in6_addr other; /* a second candidate, if two fields name different ones; else the same as `at` */
	struct in6_addr peer;  /* at the other end of the connection */
	bool peer_unix;        /* that is a unix socket */
	bool unix_socket;      /* it is at the other end of a unix socket, and has no address of its own */
	bool front;            /* the peer is a trusted front: what it says about the request is believed */
	bool proxied;          /* the request came through another proxy: forwarded_is(), or conn->unnamed */
	bool named;            /* a trusted front names the client */
	bool unnamed;          /* a trusted front names somebody, but not by an address: no list holds such a client */
};

/* The sender of a request that has no field of a proxy, on this connection. `front` is not set. */
void client_of_conn(const struct conn *, struct client *);
/* trusted: the addresses of fronts. head: of a request that arrived on this connection. */
void client_read(const struct cidr_list *trusted, const struct conn *, const struct head *, struct client *);

/* True when the request was made on this machine: by a loopback address or a unix socket, and not through another
 * proxy. */
bool client_is_local(const struct client *);

/* True when the option of networks `name` ("admin-from") holds the client. Without a value the option holds this
 * machine. It always holds a unix socket, and never a request that came through another proxy, unless a trusted front
 * names a client that the option holds. */
bool client_may(const struct client *, const struct conf *, const char *name);

/* The client for a log: its address, or "unix:". */
void client_print(const struct client *, char text[CONN_PEER]);

#endif
