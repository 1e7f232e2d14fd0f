/*
 * lane: one thread and one epoll set, doing only what cannot block: it accepts, receives, answers plain requests from `hot`
 * and hands every other to a worker. There is a lane a core.
 *
 * How `hot` stays honest: at each wake-up a lane first receives, then reads the edit counter once, then answers. So whatever was committed
 * before a request was sent is seen by its answer.
 */
#ifndef CURLEW_SERVER_LOOP_H
#define CURLEW_SERVER_LOOP_H

#include "net/conn.h"
#include "proxy/context.h"

struct lane;

/* A lane accepts from any listener and gives each connection to the next of all lanes. */
struct lanes_config {
	const struct service *service;
	const struct listeners *listeners;
	double head_timeout_s, idle_timeout_s;
	double thread_wait_s; /* how long a request waits for a thread before it gets a 503 */
	int64_t min_rate;     /* bytes a second, while threads are short; 0: none */
	void (*run)(struct work *); /* a conn's work: answer what stands in its buffer, then release it */
};

struct lanes;

/* Starts one lane a core. NULL with a sentence in why. */
struct lanes *lanes_new(const struct lanes_config *, struct buf *why);
/* No new connections, idle ones closed, running answers say Connection: close. */
void lanes_drain(struct lanes *);
/* Connections still open. */
size_t lanes_open(struct lanes *);
/* Breaks what is open, so that workers notice. */
void lanes_break(struct lanes *);
/* Ends the threads, so that no more work comes from them; workers may still give connections back. */
void lanes_stop(struct lanes *);
/* After lanes_stop() and the end of all workers. */
void lanes_free(struct lanes *);

#endif
