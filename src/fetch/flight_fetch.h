/*
 * flight_fetch: hands a fetch of a flight to the engine. A flight has one fetch at a time, and several in its life
 * where a redirect is followed or a body is resumed.
 */
#ifndef CURLEW_FETCH_FLIGHT_FETCH_H
#define CURLEW_FETCH_FLIGHT_FETCH_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct flight;

struct flight_fetch_request {
	struct span fields;
	int64_t upload_bytes; /* as in struct fetch_spec */
	bool asterisk;
	bool again;   /* fetch_spec.again */
	bool trusted; /* its address need not be public */
};

/* Starts a fetch of f->fetch_url and sets f->fetch. The engine's reference to the flight must be held already; it goes
 * on with the new fetch. Under the lock: the engine's thread may call back at once, and must find f->fetch set. 0, or
 * -1: no memory; then no callback comes. */
int flight_fetch_begin(struct flight *, const struct flight_fetch_request *);
/* The same for each later fetch of the flight. The table's engine makes it: an event loop's engine looks no names up,
 * and an address that it knew may be forgotten by now. So the caller no longer writes what the engine's thread reads
 * without the lock. */
int flight_fetch_continue(struct flight *, const struct flight_fetch_request *);

#endif
