/*
 * loop_accept: new connections. Every loop waits for all listeners, and the kernel wakes one of them for each arrival.
 * All functions: the loop's thread, or before it starts.
 */
#ifndef CURLEW_SERVER_LOOP_ACCEPT_H
#define CURLEW_SERVER_LOOP_ACCEPT_H

#include "server/loop_state.h"

/* Adds the listeners to the loop's epoll set. 0, or -1 with errno. */
int loop_accept_resume(struct loop *);

/* Takes them out again: for good when the server drains, or until the next tick when there is no descriptor left to
 * accept with. A listener that we cannot accept from would wake the loop again and again. */
void loop_accept_pause(struct loop *);

/* Accepts a connection that waits at a listener. It is new: in no list (loop_conns.h). NULL: none waits, or it could
 * not be accepted. */
struct conn *loop_accept_next(struct loop *, int listener);

#endif
