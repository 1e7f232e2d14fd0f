/*
 * flight_store: the body of a flight on its way to a row. A small body waits in memory until it is whole; then the
 * writer writes its file and commits its row. The disk thread writes a larger one while it arrives and seals it, and
 * the writer commits the row. flight_store_end() is the end (invariant 1: the row comes last).
 *
 * "Under the lock" means the flight's lock.
 */
#ifndef CURLEW_FETCH_FLIGHT_STORE_H
#define CURLEW_FETCH_FLIGHT_STORE_H

#include <stdbool.h>

struct flight;

/* Why a body of unknown length stops being stored on a full disk. */
#define FLIGHT_STORE_NO_ROOM "its length is unknown, and the disk has less free than --min-free leaves"

/* --- at the head; the engine's thread, without the lock --- */

/* Takes room in the cache for the body if its length is known, else nothing yet. NULL, or the reason why there is none.
 */
const char *flight_store_reserve(struct flight *);
/* Records why a GET was not stored, for `curlew explain`. Needs no lock, and may be called under it. */
void flight_store_refuse(const struct flight *, const char *reason);

/* --- while the body arrives; under the lock --- */

/* More bytes have arrived: takes room for them, or gives storing up. */
void flight_store_grow(struct flight *);
/* Queues the body for the disk thread, or a small one for the writer, if it is time to and it is not queued. */
void flight_store_step(struct flight *);
/* Ends storing; the body still reaches its readers. `reason` is not copied: it is static text, or the configuration's,
 * or a member of the flight. Does nothing when the flight is not being stored. */
void flight_store_give_up(struct flight *, const char *reason);

/* --- at the end of the fetch; under the lock, on the engine's thread --- */

/* A whole body of which nothing is on disk will wait in memory to be stored. Where too many bytes wait already, it is
 * not stored. Before COMPLETE. */
void flight_store_queue_whole(struct flight *);
/* The body broke off. True when what has arrived will be stored as a part. Before ABORTED. */
bool flight_store_salvage(struct flight *);
/* Writes the row that a 304 refreshed. Takes a reference until that is committed. */
void flight_store_refresh(struct flight *);

/* The row is committed (`owned`: it owns the body file), or never will be. Takes the flight out of the table and drops
 * the caller's reference. Without the lock; called on the writer's thread. */
void flight_store_end(struct flight *, bool owned);

#endif
