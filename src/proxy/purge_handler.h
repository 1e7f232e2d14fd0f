/*
 * purge_handler: PURGE over HTTP. It removes stored responses, or marks them stale, for the clients of --purge-from. It
 * is never forwarded.
 *
 *   PURGE /path                                  all variants and spellings of a URL
 *   X-Purge: glob                                the path is a GLOB
 *   X-Purge: all-sites                           not only the site of the request (a list, with glob)
 *   Surrogate-Key, Cache-Tag, xkey, Cache-Groups by group instead of by path, on the site of the request
 *   Soft-Purge: 1, Fastly-Soft-Purge: 1          marks them stale
 *
 * The thread that serves the request calls; it may wait for the index for some seconds.
 */
#ifndef CURLEW_PROXY_PURGE_HANDLER_H
#define CURLEW_PROXY_PURGE_HANDLER_H

#include "proxy/exchange.h"

/* Is the method PURGE? Such a request must not reach another handler. */
bool purge_is(const struct exchange *);

/* Is it for all sites, and does it need no URL or a path alone? Then it does not matter whether the request names one
 * of the sites. */
bool purge_needs_no_site(const struct exchange *);

/* False: the client may not purge, and 403 was sent. */
bool purge_is_allowed(struct exchange *);

/* Purges what x->target and the fields name, and responds with the number of rows. */
void purge_respond(struct exchange *);

#endif
