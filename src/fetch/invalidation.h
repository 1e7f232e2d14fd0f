/*
 * invalidation: what a response means for rows that are stored already. Called at the head, on the engine's thread,
 * without the flight's lock.
 */
#ifndef CURLEW_FETCH_INVALIDATION_H
#define CURLEW_FETCH_INVALIDATION_H

#include "http/message.h"

struct flight;

/* If an unsafe method succeeded, invalidates the rows and the flights of its target, and of the URLs on the same origin
 * that the response names (RFC 9111 4.4), and of the groups that it names (RFC 9875 3). Does nothing otherwise. It
 * holds when this returns: a client that has seen the success gets no older response. */
void invalidation_by(const struct flight *, const struct head *response);
/* Ends the stale use of the row that the flight started from. Not left to the end of the fetch, because a body may
 * never end. flight_withdrawn_row() reports the row from the return of this until the change is committed; the flight
 * stays open as long. */
void invalidation_withdraw(struct flight *);

#endif
