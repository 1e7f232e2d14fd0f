/*
 * loop_health: /.curlew/health (proxy/health.h) without a thread, so that a load balancer gets an answer even when all
 * threads are busy.
 */
#ifndef CURLEW_SERVER_LOOP_HEALTH_H
#define CURLEW_SERVER_LOOP_HEALTH_H

#include "server/loop_hit.h"

/* True when the loop may respond to this request. A pool thread decides about those of browsers, those for
 * LABEL.localhost, and those that came through another proxy, which may be this server. */
bool loop_health_is(const struct loop *, const struct request_scan *);

/* The same contract as loop_hit_respond(). */
enum loop_hit_outcome loop_health_respond(
    struct loop *, struct conn *, const struct request_scan *scan, struct span bytes, bool keeps);

#endif
