/*
 * loop_set: all event loops of the server, one for each core: their start, drain and end.
 */
#ifndef CURLEW_SERVER_LOOP_SET_H
#define CURLEW_SERVER_LOOP_SET_H

#include "server/loop_state.h"

/* Starts one loop for each core. NULL with a sentence in why. */
struct loop_set *loop_set_new(const struct loop_set_config *, struct buf *why);

/* No new connections are accepted, idle ones are closed, and responses in progress say Connection: close. */
void loop_set_drain(struct loop_set *);

/* Ends the threads. No more requests come from them, but the pool may still give connections back. */
void loop_set_stop(struct loop_set *);

/* Frees the set. Only after loop_set_stop() and the end of all pool threads. */
void loop_set_free(struct loop_set *);

#endif
