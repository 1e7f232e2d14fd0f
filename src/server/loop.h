/*
 * loop: one thread and one epoll set, doing only what cannot block: it accepts, receives, answers plain requests from
 * `hot` and hands every other to a worker. There is a loop a core.
 *
 * How `hot` stays honest: at each wake-up a loop first receives, then reads the edit counter once, then answers. So
 * whatever was committed before a request was sent is seen by its answer.
 */
#ifndef CURLEW_SERVER_LOOP_H
#define CURLEW_SERVER_LOOP_H

#include "net/conn.h"
#include "proxy/context.h"

struct loop;

/* A loop accepts from any listener and gives each connection to the next of all loops. */
struct loops_config {
	const struct context *context;
	const struct listeners *listeners;
	double head_timeout_s, idle_timeout_s;
	double thread_wait_s;       /* how long a request waits for a thread before it gets a 503 */
	int64_t min_rate;           /* bytes a second, while threads are short; 0: none */
	void (*run)(struct work *); /* a conn's work: answer what stands in its buffer, then release it */
};

struct loops;

/* Starts one loop a core. NULL with a sentence in why. */
struct loops *loops_new(const struct loops_config *, struct buf *why);
/* No new connections, idle ones closed, running answers say Connection: close. */
void loops_drain(struct loops *);
/* Connections still open. */
size_t loops_open(struct loops *);
/* Breaks what is open, so that threadpool notice. */
void loops_break(struct loops *);
/* Ends the threads, so that no more work comes from them; threadpool may still give connections back. */
void loops_stop(struct loops *);
/* After loops_stop() and the end of all threadpool. */
void loops_free(struct loops *);

#endif
