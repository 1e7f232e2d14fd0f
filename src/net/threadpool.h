/*
 * threadpool: threads for all work that may block: a miss, a large body, an upload, a tunnel, a slow client.
 *
 * The pool starts threads as they are needed, up to a limit, and ends those that are idle for a while. Work beyond the
 * limit waits in a queue that serves the clients in turn (fair_queue.h). Any thread may call any function, except where
 * it says otherwise.
 */
#ifndef CURLEW_NET_THREADPOOL_H
#define CURLEW_NET_THREADPOOL_H

#include "net/fair_queue.h"
#include "net/min_rate.h"

struct threadpool;

struct work {
	void (*run)(struct work *); /* runs on a pool thread; may free the memory of this struct */
	struct fair_item item;      /* item.client is set by the caller of threadpool_run(); the rest is private */
};

/* most: how many pieces of work may run at a time, at least 1. NULL: out of memory. */
struct threadpool *threadpool_new(unsigned most);
/* Runs work on a pool thread, at once or when its turn comes. Does not block. The struct must stay where it is until
 * then. False: no thread can be started for it; the work is still the caller's. */
bool threadpool_run(struct threadpool *, struct work *);
/* The same for work that another piece of work waits for. It gets a thread at once and may exceed the limit: if it had
 * to wait in the queue, the threads could all wait for work that waits for a thread. It is not counted as busy. */
bool threadpool_run_now(struct threadpool *, struct work *);
/* How busy the pool is. If the system refuses to start more threads, those that are alive count as the most possible.
 */
struct min_rate_load threadpool_load(struct threadpool *);
/* Takes back all work that has waited in the queue for waited_ms or longer. It is the caller's again, linked by
 * threadpool_next_late(). NULL: there is none. */
struct work *threadpool_take_late(struct threadpool *, int64_t waited_ms);
struct work *threadpool_next_late(const struct work *);
/* Ends the pool: waits up to `seconds` for all work, the queue included, and for all threads. True: the pool has been
 * freed. False: a thread still runs, and the pool must stay. NULL is fine. The main thread, when nobody adds work. */
bool threadpool_end(struct threadpool *, double seconds);

#endif
