/*
 * cache_fetch: the plans of the cache handler that need the origin: validate, fetch, fetch a range, pass.
 */
#ifndef CURLEW_PROXY_CACHE_FETCH_H
#define CURLEW_PROXY_CACHE_FETCH_H

#include "proxy/cache_attempt.h"

/* Fetches as the plan says, or joins a fetch in progress, and sends the response. Blocks. True: the client has its
 * response. False: look the URL up again; the attempt holds what was learnt. */
bool cache_fetch(struct cache_attempt *);

/* On an event loop: begins a fetch as the plan says, if there is no other of this URL. True: t->reader leads it. False:
 * nothing was begun. Does not block. */
bool cache_fetch_lead(struct cache_attempt *);
/* Responds with what the fetch of t->reader brings. Waits for it if it has not come. True and false: as above. */
bool cache_fetch_finish(struct cache_attempt *);

/* Responds as after a fetch that failed because of --offline. */
void cache_fetch_offline(struct cache_attempt *);

/* Starts the validation of plan.entry and does not wait for it (RFC 5861 3). */
void cache_fetch_refresh(const struct cache_attempt *);

#endif
