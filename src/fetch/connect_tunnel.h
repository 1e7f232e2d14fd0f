/* connect_tunnel: a connected socket to an origin, for CONNECT (RFC 9110 9.3.6). */
#ifndef CURLEW_FETCH_CONNECT_TUNNEL_H
#define CURLEW_FETCH_CONNECT_TUNNEL_H

#include "fetch/engine.h"

/*
 * Connects to host:port, through the upstream proxy if there is one. Blocks the caller, for as long as connecting may
 * take. Returns a socket that does not block, the caller's to close; or -1, then *outcome and message say why. Any
 * thread but the engine's.
 */
int connect_tunnel(struct engine *, const char *host, int port, enum engine_outcome *outcome, char message[256]);

#endif
