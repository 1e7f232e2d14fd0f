/*
 * origin_fields: request fields that tell an origin about clients and hosts, before they are used.
 *
 * Applications obey X-Forwarded-* and the like, and no key contains them. So they are removed, unless a trusted front
 * sent them (--trust-forwarded). A reverse proxy then adds its own: X-Forwarded-For, -Proto, -Host and Forwarded (RFC
 * 7239); what a trusted front sent is extended. The head itself is changed, so that Vary works with what the origin
 * receives.
 *
 * Destination of COPY and MOVE (RFC 4918 10.3) is mapped to the URL that the origin knows.
 */
#ifndef CURLEW_PROXY_ORIGIN_FIELDS_H
#define CURLEW_PROXY_ORIGIN_FIELDS_H

#include "proxy/exchange.h"

/* head: x->request. The target has been read. The thread that serves the exchange. 0, or -1 with fault. */
int origin_fields_rewrite(struct exchange *, struct head *, struct fault *);
/* Frees what the changed head borrows. */
void origin_fields_end(struct exchange *);

#endif
