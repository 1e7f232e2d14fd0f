/*
 * flight_judge: what a response means for the store. Judged once, when its head comes, on the engine's thread.
 */
#ifndef CURLEW_FETCH_FLIGHT_JUDGE_H
#define CURLEW_FETCH_FLIGHT_JUDGE_H

#include "http/message.h"

struct flight;

/* Fills verdict, entry, storing, shareable and the other members that the head decides, before the state is STREAMING.
 * `received` is the head that the origin sent; `response` is the same, or the stored fields updated by it where it
 * completes stored parts. Without the lock. */
void flight_judge_response(struct flight *, const struct head *response, const struct head *received);

#endif
