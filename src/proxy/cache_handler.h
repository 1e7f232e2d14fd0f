/*
 * cache_handler: GET and HEAD through the cache (RFC 9111 4).
 */
#ifndef CURLEW_PROXY_CACHE_HANDLER_H
#define CURLEW_PROXY_CACHE_HANDLER_H

#include "proxy/exchange.h"

/* Looks the URL up and makes a plan: EXCHANGE_PLANNED. On an event loop (x->loop), a plain miss is led at once:
 * EXCHANGE_WAITS. Does not block. */
void cache_handler_begin(struct exchange *);
/* Responds to x as planned, from the store or from a fetch: EXCHANGE_OVER. Blocks; but not after EXCHANGE_WAITS, when
 * flight_reader_progress() has said FLIGHT_WHOLE. */
void cache_handler_end(struct exchange *);
/* Gives up an exchange that cache_handler_begin() began. */
void cache_handler_abandon(struct exchange *);

#endif
