/*
 * client_limits: how much each client uses: connections, requests a second, bytes a second.
 *
 * A client is an IPv4 address, or the first 64 bits of an IPv6 address, because one customer usually has all addresses
 * of those. The table has a client for each address with a connection, and keeps those that have left for a while, up
 * to a number, because their rates are still being counted. Any thread may call.
 *
 * The limits themselves are arguments: they may change while the server runs.
 */
#ifndef CURLEW_NET_CLIENT_LIMITS_H
#define CURLEW_NET_CLIENT_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_limits;
struct client_limit; /* one client */

/* requests in seconds; requests 0: no limit. All of them may come at once. */
struct client_rate {
	int64_t requests;
	double seconds;
};

/* NULL: out of memory. */
struct client_limits *client_limits_new(void);
/* Nobody may hold a client of it. NULL is fine. */
void client_limits_free(struct client_limits *);
/* How many clients it remembers now. */
size_t client_limits_count(struct client_limits *);

/* The client with that address, for client_limits_drop(). NULL: out of memory; then it has no limits. */
struct client_limit *client_limits_take(struct client_limits *, const struct in6_addr *);
/* NULL is fine. */
void client_limits_drop(struct client_limits *, struct client_limit *);

/* One connection more, or less. Returns how many the client has then. */
int64_t client_limit_connections(struct client_limit *, int change);

/* Counts a request. 0: it is within the rate; else it is not counted, and the time in ms until one would be. now_ms:
 * monotonic. */
int64_t client_limit_request(struct client_limit *, const struct client_rate *, int64_t now_ms);

/* Counts bytes that were sent to the client, of a limit of `rate` bytes a second. */
void client_limit_sent(struct client_limit *, int64_t rate, size_t bytes, int64_t now_ms);
/* How long the next bytes have to wait for those that were sent, in ms; 0: not at all. */
int64_t client_limit_wait_ms(const struct client_limit *, int64_t rate, int64_t now_ms);
/* Waits until bytes may be sent to the client. Returns how many, up to n and at least 1. Ends early when the socket fd
 * breaks. */
size_t client_limit_pace(const struct client_limit *, int64_t rate, size_t n, int fd);

#endif
