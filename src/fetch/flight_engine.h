/*
 * flight_engine: an engine whose fetches belong to flights, and the flights whose readers it has to wake.
 *
 * The table has one with a thread of its own, for all flights that pool threads start. Each event loop has one more,
 * for the flights that it leads. The functions below are for the owner: the thread that makes the engine's turns.
 */
#ifndef CURLEW_FETCH_FLIGHT_ENGINE_H
#define CURLEW_FETCH_FLIGHT_ENGINE_H

#include "fetch/flight.h"

struct flight_engine {
	struct engine *engine;
	struct flight *pending; /* flights that changed in this batch; the owner's thread only */
};

/* An engine of an event loop, without a thread. It looks no names up; a flight that needs this goes on with the table's
 * engine. NULL with a sentence in why. */
struct flight_engine *flight_engine_new(struct flight_table *, struct buf *why);
/* After engine_stop(), before flight_close(). NULL is fine. */
void flight_engine_free(struct flight_engine *);

/* Private to the flight files. batch_end of engine_config: wakes those who wait for the flights in `pending`. */
void flight_engine_batch_end(void *flight_engine);
/* Adds a flight to `pending`. fe is the engine whose owner calls this. Under the flight's lock. */
void flight_engine_wake_later(struct flight_engine *fe, struct flight *);

#endif
