/*
 * loop_handover: a connection changes its owner, from its loop to a pool thread and back. Each function is called by
 * the owner, and the caller does not own the connection any more when it returns.
 */
#ifndef CURLEW_SERVER_LOOP_HANDOVER_H
#define CURLEW_SERVER_LOOP_HANDOVER_H

#include "server/loop_state.h"

/* From the loop to the pool. received: the bytes that the loop has not consumed; they are appended to conn->in unless
 * they are in it already. If no thread can be started, the request gets a 503. The loop's thread. */
void loop_handover_to_pool(struct loop *, struct conn *, struct span received);

/* From any other thread to the loop: to wait for the next bytes. */
void loop_handover_to_loop(struct conn *);

/* A pool thread has served the connection (conn->release). keep: it may carry another request; else it is closed. */
void loop_handover_release(struct conn *, bool keep);

/* Sends 503, because no thread is free for the connection's request, and lets the loop close it in an orderly way. Any
 * thread; does not block. */
void loop_handover_refuse(struct conn *);

#endif
