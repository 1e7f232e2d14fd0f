/*
 * loop_conns: the list of a loop's connections. loop_state.h has the rules of ownership and locking.
 *
 * A new connection is in no list and in no epoll set until loop_conns_add() or loop_conns_share() has put it there.
 * Only the thread that accepted it knows it.
 */
#ifndef CURLEW_SERVER_LOOP_CONNS_H
#define CURLEW_SERVER_LOOP_CONNS_H

#include "server/loop_state.h"

bool loop_conns_is_new(const struct conn *);

/* Adds a new connection to the list and to the epoll set of its loop, whose thread calls. False: epoll has refused it,
 * and it is closed and freed. */
bool loop_conns_add(struct conn *);

/* Gives a new connection to the next loop in turn, so that the connections are spread evenly whichever loops accept
 * them. ready: conn->in holds bytes that the loop must look at: it is woken by EPOLLOUT. The caller does not own the
 * connection any more. */
void loop_conns_share(struct conn *, bool ready);

/* The loop looks at what conn->in holds; from now on it waits for input only. The loop's thread. */
void loop_conns_await_input(struct loop *, struct conn *);

/* Ends a connection after its last response, without blocking. silent: the client has said that it sends nothing more,
 * and everything that it sent has been received. Otherwise the loop ends its side and discards what still arrives,
 * because a close with unread bytes would reset the connection, and the client could lose the response (RFC 9112 9.6).
 * The loop's thread. */
void loop_conns_end(struct loop *, struct conn *, bool silent);

/* Closes a connection and frees it. Its owner only. */
void loop_conns_close(struct loop *, struct conn *);

/* How many connections are open in all loops. Any thread. */
size_t loop_conns_count(struct loop_set *);

/* Shuts down the sockets of all open connections: a pool thread that blocks on one of them gets an error. The
 * connections stay in the list until their owners close them. Any thread. */
void loop_conns_break(struct loop_set *);

#endif
