/*
 * tunnel: CONNECT (RFC 9110 9.3.6).
 */
#ifndef CURLEW_PROXY_TUNNEL_H
#define CURLEW_PROXY_TUNNEL_H

#include "proxy/exchange.h"

/* Connects to the target and relays bytes both ways until both sides have ended, or nothing moves for --idle-timeout.
 * Blocks all that time. early: bytes that the client sent after the head. client_fd stays the caller's; it is of no
 * use for HTTP afterwards. */
void tunnel_respond(struct exchange *, int client_fd, struct span early);

#endif
