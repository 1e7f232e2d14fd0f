/*
 * limits: how many connections, requests and bytes there may be, in all and for each client, as the options say.
 */
#ifndef CURLEW_PROXY_LIMITS_H
#define CURLEW_PROXY_LIMITS_H

#include "base/conf.h"
#include "net/client_limits.h"
#include "proxy/client.h"

struct exchange;

struct limits {
	const struct cidr_list *fronts;             /* their connections are those of many clients */
	int64_t connections, connections_of_client; /* at one time; 0: no limit */
	struct client_rate rate;                    /* of one client */
	int64_t bandwidth;                          /* of one client, in bytes a second; 0: no limit */
};

/* conf must outlive the limits. */
void limits_read(const struct conf *, struct limits *);
/* True when requests or bytes are limited. */
static inline bool limits_rates(const struct limits *l)
{
	return l->rate.requests > 0 || l->bandwidth > 0;
}

/* Counts a connection that was judged (access_judge()) for its client, as soon as the address of the client is known,
 * and sets c->refusal if there are too many. False: there are so many that it should be closed at once. The owner of
 * the connection. */
bool limits_count(const struct limits *, struct conn *);
/* The connection ends. */
void limits_uncount(struct conn *);

/* A loop is about to respond to a plain request. True: the request was counted. False: a pool thread must respond,
 * because the client has used its share. */
bool limits_take_share(const struct limits *, struct conn *, const struct client *, struct span target, int64_t now_ms);

/* True when the client has sent too many requests: 429 was sent (RFC 6585 4). Otherwise the request was counted. */
bool limits_refuse(const struct limits *, struct exchange *, struct conn *);

#endif
