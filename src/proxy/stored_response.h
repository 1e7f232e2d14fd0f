/*
 * stored_response: sends a stored response to the client (RFC 9111 4).
 */
#ifndef CURLEW_PROXY_STORED_RESPONSE_H
#define CURLEW_PROXY_STORED_RESPONSE_H

#include "proxy/exchange.h"
#include "proxy/selection.h"

/* Sends entry e. cache: Cache-Status items. cookies: Set-Cookie lines that came for this client. 0; -1: the body file
 * is gone, and nothing was sent. */
int stored_response_send(
    struct exchange *, const struct entry *, int64_t age_s, const char *cache, struct span cookies);

/* Sends the plan's entry although it is stale, in place of a response that the origin does not give (RFC 9111 4.2.4,
 * RFC 5861 4). how: "hit", or how it was forwarded; why: both for Cache-Status. False: there is no entry, or its body
 * file is gone; nothing was sent. */
bool stored_response_send_stale(struct exchange *, const struct selection_plan *, const char *how, const char *why);

#endif
