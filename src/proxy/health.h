/*
 * health: /.curlew/health, for load balancers and monitors: 200 or 503, and one word. Every client that may use the
 * listener may ask, under any Host. /.curlew/health?details adds numbers, for --admin-from.
 */
#ifndef CURLEW_PROXY_HEALTH_H
#define CURLEW_PROXY_HEALTH_H

#include "proxy/exchange.h"

#define HEALTH_TARGET "/.curlew/health"

struct health {
	int status;
	const char *line; /* the word and its line end, a literal */
};

/* How the server is: "ok" (200), "draining" (503: it is about to end), "busy" (503: every thread is taken and requests
 * wait). Any thread. */
struct health health_now(const struct context *, bool draining);

/* True when the request is for this page. */
bool health_is(const struct exchange *);
/* Responds. details: the client may see them, and gets them if it has asked. */
void health_respond(struct exchange *, bool draining, bool details);

#endif
