/*
 * writer: one thread, one writing connection, one queue. What is queued is done in order, many a transaction.
 *
 * Nobody who queues ever waits. The thread waits for other processes' transactions, keeps its own short, leaves gaps
 * between them, and steps aside for whoever opens the index, so that a plain shell gets its turn.
 */
#ifndef CURLEW_INDEX_WRITER_H
#define CURLEW_INDEX_WRITER_H

#include "index/index.h"
#include "index/writer_op.h"

#include <stdbool.h>

struct writer;

/* Starts the thread; the connection, to the index of the cache dir, is the writer's from now on, also when this fails
 * (NULL, no memory or no thread). */
struct writer *writer_start(struct index *, const char *dir);
/* From now on others' locks are waited for five seconds in all; what could not be done by then fails. */
void writer_hurry(struct writer *);
/* Does what is queued, in a hurry, ends the thread, closes. */
void writer_stop(struct writer *);

/* Queues op, which is the caller's memory until its done() has returned. On the writer's thread run() is called within
 * a transaction (0, or -1 when it failed alone), then done() after the end of it; committed: run() said 0 and the
 * transaction stands. Either is called once at the most. A droppable op is failed unrun when too many are waiting. */
void writer_queue(struct writer *, struct writer_op *op, bool droppable);
/* Has the thread checkpoint once between two transactions, so that the WAL can begin anew. */
void writer_checkpoint(struct writer *);
/* Frames in the WAL at its last commit. */
int writer_wal_frames(const struct writer *);
/* Waits until everything queued before has had its done(). Not on the writer's thread. */
void writer_barrier(struct writer *);

#endif
