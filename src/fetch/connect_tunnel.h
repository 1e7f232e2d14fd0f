/* connect_tunnel: a connection to an origin for a tunnel: CONNECT (RFC 9110 9.3.6) and Upgrade (7.8). */
#ifndef CURLEW_FETCH_CONNECT_TUNNEL_H
#define CURLEW_FETCH_CONNECT_TUNNEL_H

#include "fetch/engine.h"
#include "fetch/tunnel_end.h"

struct connect_tunnel_to {
	const char *host; /* IPv6 with brackets */
	int port;
	bool trusted;       /* its address is allowed by being named (--origin) */
	bool secure;        /* curlew itself speaks TLS with it */
	const char *cacert; /* for TLS: see tunnel_end_secure() */
	int limit_ms;       /* for the TLS handshake: the longest silence */
};

/*
 * Connects to the host, through the upstream proxy if there is one. Blocks the caller, for as long as connecting may
 * take. 0, and the end is the caller's to close; or -1, then *outcome and message say why. Any thread but the engine's.
 */
int connect_tunnel(struct engine *, const struct connect_tunnel_to *, struct tunnel_end *, enum engine_outcome *outcome,
    char message[256]);

#endif
