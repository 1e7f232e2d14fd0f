/*
 * loop_conns: the list of a loop's connections. loop_state.h has the rules of ownership and locking.
 */
#ifndef CURLEW_SERVER_LOOP_CONNS_H
#define CURLEW_SERVER_LOOP_CONNS_H

#include "server/loop_state.h"

/* Adds a new connection to the list and to the epoll set: from now on it belongs to the loop's thread. If epoll refuses
 * it, it is closed and freed. Any thread. */
void loop_conns_add(struct loop *, struct conn *);

/* Closes a connection and frees it. Its owner only. */
void loop_conns_close(struct loop *, struct conn *);

/* How many connections are open in all loops. Any thread. */
size_t loop_conns_count(struct loop_set *);

/* Shuts down the sockets of all open connections: a pool thread that blocks on one of them gets an error. The
 * connections stay in the list until their owners close them. Any thread. */
void loop_conns_break(struct loop_set *);

#endif
