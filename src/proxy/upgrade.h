/*
 * upgrade: requests to change the protocol of the connection (RFC 9110 7.8), such as WebSocket (RFC 6455). They are
 * passed on in every mode; after a 101 that names what was asked for, the connection is a tunnel.
 *
 * websocket passes always, other tokens by --upgrade only. Upgrade is ignored where no token may pass, as the RFC
 * allows: the request is then answered as any other.
 */
#ifndef CURLEW_PROXY_UPGRADE_H
#define CURLEW_PROXY_UPGRADE_H

#include "proxy/exchange.h"

/* Checks --upgrade. 0, or -1 with the error on stderr. */
int upgrade_check(const struct conf *);
/* True when the request asks for a protocol that may pass. */
bool upgrade_is_wanted(const struct exchange *);
/* Passes the request on. Blocks until the response has been sent, or until the tunnel has ended. */
void upgrade_respond(struct exchange *);

#endif
