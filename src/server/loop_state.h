/*
 * loop_state: struct loop (one event loop) and struct loop_set (all of them), which the loop_*.c files share.
 *
 * Each member belongs to one of these groups:
 * - fixed: written before the loops' threads start, and only read afterwards, by any thread;
 * - lock: read and written by any thread that holds the loop's `lock`;
 * - thread: read and written by the loop's own thread alone, without a lock;
 * - atomic: read and written by any thread.
 *
 * The lock is held for a few pointer moves, or for one epoll_ctl(), close() or shutdown(). No thread holds the locks of
 * two loops, and none takes another lock of the program while it holds one.
 *
 * A connection (net/conn.h) has one owner at a time, and conn->busy says which: false: the thread of its loop; true:
 * the pool thread that serves its request. `busy` changes under the loop's lock only. Two things are allowed to every
 * thread that holds the lock, whoever the owner is: to walk the list, and to shutdown() a descriptor in it.
 */
#ifndef CURLEW_SERVER_LOOP_STATE_H
#define CURLEW_SERVER_LOOP_STATE_H

#include "net/conn.h"
#include "proxy/context.h"
#include "proxy/exchange.h"
#include "proxy/ramcache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct loop_set_config {
	const struct context *context;
	const struct listeners *listeners;
	void (*run)(struct work *); /* what a pool thread does with a conn: serve the requests in its buffer, release it
				     */
};

enum { LOOP_GOOD_HOSTS = 8, LOOP_HOST_BYTES = 128, LOOP_COUNTS = 8192 };

/* Hits of one row. hits: 0: not in use. */
struct loop_count {
	int64_t id, hits, used_at;
};

struct loop {
	/* fixed */
	struct loop_set *set;
	pthread_t thread;
	bool started;
	int epoll_fd;
	int wake_fd; /* an eventfd in the epoll set: wakes the loop to look at `draining` and `ending` */
	struct change_counter *changes; /* used by the loop's thread alone */
	struct ramcache_reader reader;  /* the same */

	/* atomic */
	_Atomic uint64_t turns; /* counts its wake-ups */

	/* the main thread */
	uint64_t turns_seen; /* loop_set_turns() */

	/* lock */
	pthread_mutex_t lock;
	struct conn *conns; /* all connections of this loop, whoever owns them */
	size_t conn_count;

	/* thread */
	int64_t edits;                 /* the change counter as read at this wake-up; -1: the index cannot be read */
	int64_t rules;                 /* the generation of the rules as read with it */
	const struct options *options; /* those that hold at this wake-up */
	int64_t now;                   /* Unix seconds at this wake-up */
	int64_t now_ms;                /* monotonic */
	bool more_waits;               /* connections that were not accepted at this wake-up may wait at a listener */
	bool paused;                   /* the listeners are out of the epoll set (loop_accept.h) */
	char good_hosts[LOOP_GOOD_HOSTS][LOOP_HOST_BYTES]; /* Host values found to be names of this server */
	size_t good_host_next;
	struct loop_count counts[LOOP_COUNTS]; /* hits since the last report: a hash table with open addresses */
	size_t counted;                        /* how many of them are in use */
	struct flight_engine *engine;          /* for the misses that this loop leads (loop_miss.h) */
	struct exchange_loop exchange;         /* what each of them is given */
	bool leads;                            /* the settings permit it */
	size_t waiting;                        /* connections that wait for a fetch of this loop */
	struct conn *ready;                    /* of these, the ones whose fetch has brought something */
	int64_t engine_due_ms;                 /* monotonic: when the engine needs a turn although it is not readable */
	int64_t requests, bytes;               /* hits sent since the counters of base/stats were last updated */
};

struct loop_set {
	/* fixed */
	struct loop_set_config config;
	struct loop *loops;
	size_t count;

	/* atomic */
	atomic_size_t next;      /* the loop that gets the next connection, modulo count */
	atomic_size_t new_conns; /* accepted connections that are in no list yet */
	atomic_bool draining;
	_Atomic int64_t drain_since_ms; /* of loop_clock_ms(); valid while draining */
	atomic_bool ending;

	/* the first loop's thread */
	int64_t round; /* counts its looks at the connections (loop_shortage.c) */
};

/*
 * epoll_event.data of a loop's epoll set: a struct conn *, whose two lowest bits are 0, or a number with a tag in them:
 * LOOP_TAG_LISTENER with the listener's descriptor above it, LOOP_TAG_WAKE, or LOOP_TAG_ENGINE.
 */
enum { LOOP_TAG_LISTENER = 1, LOOP_TAG_WAKE = 2, LOOP_TAG_ENGINE = 3, LOOP_TAG_BITS = 2, LOOP_TAG_MASK = 3 };

/* The clock of `now_ms` and conn->since_ms, exact to a few milliseconds: it costs a tenth of the exact one. */
static inline int64_t loop_clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
