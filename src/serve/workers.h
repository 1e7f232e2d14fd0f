/*
 * workers: threads for whatever may block: a miss, a large body, an upload, a tunnel, a slow reader. The pool grows to what
 * is asked of it, up to a ceiling, and shrinks when idle; beyond the ceiling work waits its turn.
 */
#ifndef CURLEW_SERVE_WORKERS_H
#define CURLEW_SERVE_WORKERS_H

#include <stdbool.h>

struct workers;

struct work {
	void (*run)(struct work *); /* may free the memory the struct stands in */
	struct work *next;	    /* private */
};

struct workers *workers_new(void); /* NULL: memory */
/* Any thread; never waits. False when no thread can be had for it: the work was not taken. */
bool workers_run(struct workers *, struct work *);
/* Likewise, but false unless a thread is free or can be started for it at once: for work that another piece of work waits for. */
bool workers_run_now(struct workers *, struct work *);
/* Waits up to seconds for all work to end. True when none is left; then the pool has been freed. */
bool workers_end(struct workers *, double seconds);

#endif
