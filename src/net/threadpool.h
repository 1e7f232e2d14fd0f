/*
 * threadpool: threads for whatever may block: a miss, a large body, an upload, a tunnel, a slow reader. The pool grows
 * to what is asked of it, up to a ceiling, and shrinks when idle. Beyond the ceiling work waits, and the clients are
 * served in turn (fair_queue.h).
 */
#ifndef CURLEW_NET_THREADPOOL_H
#define CURLEW_NET_THREADPOOL_H

#include "net/fair_queue.h"
#include "net/min_rate.h"

struct threadpool;

struct work {
	void (*run)(struct work *); /* may free the memory the struct stands in */
	struct fair_item item;      /* client: the caller's, for threadpool_run(); the rest is private */
};

/* most: how many pieces of work may be at work at a time, 1 at least. NULL: memory. */
struct threadpool *threadpool_new(unsigned most);
/* Any thread; never waits. False when no thread can be had for it: the work was not taken. */
bool threadpool_run(struct threadpool *, struct work *);
/* For work that another piece of work waits for: it needs a thread at once, is not counted, and may go beyond the
 * ceiling. False: likewise. */
bool threadpool_run_now(struct threadpool *, struct work *);
/* How busy the pool is. Where the system refuses more threads, the threads there are count as the most there can be. */
struct min_rate_load threadpool_load(struct threadpool *);
/* Takes back work that has waited for a thread for waited_ms or longer: the caller's again, one after another by
 * threadpool_next_late(). */
struct work *threadpool_take_late(struct threadpool *, int64_t waited_ms);
struct work *threadpool_next_late(const struct work *);
/* Waits up to seconds for all work to end. True when none is left; then the pool has been freed. */
bool threadpool_end(struct threadpool *, double seconds);

#endif
