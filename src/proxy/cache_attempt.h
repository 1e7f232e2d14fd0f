/*
 * cache_attempt: one attempt to respond to a GET or HEAD through the cache.
 *
 * It belongs to the thread that responds. cache_handler.c gathers what is stored and makes the plan; cache_fetch.c acts
 * on the plans that need the origin. An attempt that ends without a response leaves what it has learnt in `ask` and in
 * the two flags, for the next attempt.
 */
#ifndef CURLEW_PROXY_CACHE_ATTEMPT_H
#define CURLEW_PROXY_CACHE_ATTEMPT_H

#include "proxy/exchange.h"
#include "proxy/selection.h"

struct cache_attempt {
	struct exchange *x;
	struct selection_request ask;
	struct selection stored; /* gathered again for each attempt */
	struct selection_plan plan;
	uint64_t landed; /* flight_generation() before the look-up: if a flight was stored since, look the URL up
			    again */
	struct flight_reader *reader; /* with EXCHANGE_WAITS: of the flight that it leads; else NULL */
	bool awaited_row;             /* this request has waited once for a row that was being written */
	bool awaited_other;           /* this request has waited long enough for another request's fetch */
};

#endif
