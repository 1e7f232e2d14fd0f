/* relay: moves bytes both ways between the two ends of a tunnel. */
#ifndef CURLEW_PROXY_RELAY_H
#define CURLEW_PROXY_RELAY_H

#include "fetch/tunnel_end.h"
#include "net/conn.h"

struct relay {
	struct tunnel_end *client, *origin;
	/* Received already, and sent before what arrives next. Borrowed. */
	struct span for_client, for_origin;
	int idle_ms; /* the tunnel ends when nothing moves for so long */
};

/* Relays until both sides have sent everything, one of them breaks, or nothing moves. Blocks all that time. conn: the
 * client's. Returns how many bytes the client received. */
int64_t relay_run(const struct relay *, struct conn *);

#endif
