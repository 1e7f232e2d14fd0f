/*
 * writer: one thread, one writing connection and one queue. Queued operations are done in order, many in a transaction.
 * What an operation has to prepare, such as a file, is done on the same thread between two transactions.
 *
 * writer_queue() never waits. The thread waits for other processes' transactions, keeps its own short, leaves gaps
 * between them, and yields to a process that opens the index, so that a plain shell gets its turn.
 */
#ifndef CURLEW_INDEX_WRITER_H
#define CURLEW_INDEX_WRITER_H

#include "index/index.h"
#include "index/writer_op.h"

#include <stdbool.h>

struct writer;

/* Starts the thread, for the index of the cache in dir. The writer owns the connection from now on, also after an
 * error (NULL: no memory or no thread). */
struct writer *writer_start(struct index *, const char *dir);
/* From now on, locks of other processes are waited for for five seconds in total. Operations that are not done by
 * then fail. */
void writer_hurry(struct writer *);
/* Does what is queued, in a hurry; then ends the thread and closes the connection. NULL is fine. */
void writer_stop(struct writer *);

/* Queues op (writer_op.h). run() and done() are each called at most once. A droppable operation fails without having
 * run when too many are waiting. Any thread. */
void writer_queue(struct writer *, struct writer_op *op, bool droppable);
/* Queues op before all that wait and are not prepared yet. Any thread, also from prepare(). */
void writer_queue_urgent(struct writer *, struct writer_op *op);
/* Is the calling thread the writer thread? It must not wait for what only a transaction brings. */
bool writer_is_self(const struct writer *);
/* Makes the thread do one checkpoint between two transactions, so that the WAL can start again. Any thread. */
void writer_checkpoint(struct writer *);
/* Frames in the WAL at the last commit. Any thread. */
int writer_wal_frames(const struct writer *);
/* Waits until done() has been called for everything that was queued before. Any thread but the writer thread. */
void writer_barrier(struct writer *);

#endif
