/*
 * flight_receive: what the engine delivers to a flight: interim responses, the head, the body, the end. The engine's
 * thread only.
 */
#ifndef CURLEW_FETCH_FLIGHT_RECEIVE_H
#define CURLEW_FETCH_FLIGHT_RECEIVE_H

#include "fetch/engine.h"

/* Callbacks for every fetch of a flight; their context is the struct flight. done() drops the engine's reference,
 * unless it begins another fetch. */
extern const struct fetch_ops flight_receive_ops;

#endif
