/*
 * flight_range: bodies that take more than one response. Either parts of the body are stored and a fetch completes
 * them, or a fetch breaks off and the rest is requested from where it stopped. Readers see one growing body in both
 * cases. The engine's thread only.
 */
#ifndef CURLEW_FETCH_FLIGHT_RANGE_H
#define CURLEW_FETCH_FLIGHT_RANGE_H

#include "fetch/engine.h"
#include "http/message.h"

struct flight;

/* The first head of a flight. If it completes the stored parts, returns the head of the whole, made in `combined` with
 * its text in `text` (both initialised, and the caller's to free). Else forgets the parts and returns `response`.
 * Without the lock. */
const struct head *flight_range_first_head(
    struct flight *, const struct head *response, struct head *combined, struct buf *text);
/* Remembers the strong validator by which the body could be resumed. Without the lock, before STREAMING. */
void flight_range_note_validator(struct flight *, const struct head *response);
/* The head that answers a resumed fetch. If its bytes do not belong to the body, the fetch is cancelled. Without the
 * lock. */
void flight_range_next_head(struct flight *, const struct head *response);
/* The fetch has ended. If the body broke off and may be resumed, requests the rest and returns true. Under the lock. */
bool flight_range_resume(struct flight *, enum engine_outcome);

#endif
