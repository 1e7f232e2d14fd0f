/*
 * loop_miss: a small plain miss, served by the loop without a thread change: the loop looks the URL up, makes the fetch
 * with an engine of its own, and sends the response when all of it has arrived. Anything else goes to a pool thread, at
 * the point that it has reached: another kind of plan, a large or slow body, a fetch of another thread to join.
 *
 * All functions: the loop's thread.
 */
#ifndef CURLEW_SERVER_LOOP_MISS_H
#define CURLEW_SERVER_LOOP_MISS_H

#include "http/request_scan.h"
#include "server/loop_state.h"

/* Before the thread starts: makes the loop's engine. 0, or -1 with a sentence in why. */
int loop_miss_init(struct loop *, struct buf *why);
/* After the thread has ended. */
void loop_miss_fini(struct loop *);

/* True when the loop may begin this plain request itself. */
bool loop_miss_is_for_loop(const struct loop *, const struct conn *, const struct request_scan *);

/* Begins the request at the front of conn->in. True: the response was sent: go on with the bytes that are left there.
 * False: nothing more is to be done now: a fetch goes on, or the connection has no more bytes, or the loop may not
 * touch it any more. */
bool loop_miss_begin(struct loop *, struct conn *);

/* Makes a turn of the engine, if one is due. is_ready: its descriptor is readable. */
void loop_miss_turn(struct loop *, bool is_ready);
/* How long the loop may wait for events, in ms. */
int loop_miss_wait_ms(const struct loop *, int most_ms);
/* Takes a connection whose fetch has brought something, and sends the response or gives the connection to the pool.
 * Returns it if there are more bytes of it to respond to. NULL: no connection is left that has changed. */
struct conn *loop_miss_next(struct loop *);
/* Something arrived on a connection that waits, or its client left: a pool thread goes on with it. */
void loop_miss_give_to_pool(struct loop *, struct conn *);

#endif
