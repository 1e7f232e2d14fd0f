/*
 * loop: the event loop: one thread and one epoll set. It does only what cannot block: it accepts, receives, sends hits
 * from memory, and gives every other request to the thread pool. There is one loop for each core.
 *
 * A hit from memory is as true as the index: at each wake-up, the loop first receives from all ready connections, then
 * reads the change counter once, then responds. So a change of the index that was committed before a request was sent
 * is seen by its response. docs/internals/loop.md tells the whole of it.
 */
#ifndef CURLEW_SERVER_LOOP_H
#define CURLEW_SERVER_LOOP_H

#include "server/loop_state.h"

/* Makes a loop of the set, in zeroed memory. Its thread does not run yet. 0, or -1 with errno; call loop_fini() in both
 * cases. */
int loop_init(struct loop *, struct loop_set *, struct buf *why);

/* Starts the thread. 0, or the error number. The signal mask is inherited. */
int loop_start(struct loop *);

/* Wakes the loop, so that it looks at set->draining and set->ending. Any thread. */
void loop_wake(struct loop *);

/* Waits for the thread to end, which it does when set->ending is true. A loop that was not started is fine. */
void loop_join(struct loop *);

/* Closes all connections and frees everything but the struct itself. The thread must have ended, and no pool thread may
 * own a connection. */
void loop_fini(struct loop *);

#endif
