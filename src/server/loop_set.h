/*
 * loop_set: all event loops of the server, one for each core: their start, drain and end.
 */
#ifndef CURLEW_SERVER_LOOP_SET_H
#define CURLEW_SERVER_LOOP_SET_H

#include "server/loop_state.h"

/* Starts one loop for each core. NULL with a sentence in why. */
struct loop_set *loop_set_new(const struct loop_set_config *, struct buf *why);

/* No new connections are accepted, and responses say Connection: close. An idle connection is closed after a moment, in
 * which its next request, if it was being sent already, is still answered. */
void loop_set_drain(struct loop_set *);

/* True when every loop has woken up since the last call. Wakes them, for the next call. The main thread. */
bool loop_set_turns(struct loop_set *);

/* Ends the threads. No more requests come from them, but the pool may still give connections back. */
void loop_set_stop(struct loop_set *);

/* Frees the set. Only after loop_set_stop() and the end of all pool threads. */
void loop_set_free(struct loop_set *);

#endif
