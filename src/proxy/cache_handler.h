/*
 * cache_handler: GET and HEAD through the cache (RFC 9111 4).
 */
#ifndef CURLEW_PROXY_CACHE_HANDLER_H
#define CURLEW_PROXY_CACHE_HANDLER_H

#include "proxy/exchange.h"

/* Responds to x from the store or from a fetch. Blocks. */
void cache_handler_respond(struct exchange *);

#endif
