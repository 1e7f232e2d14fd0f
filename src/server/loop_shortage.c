/*
 * Once a second. First, requests that have waited too long for a thread get a 503. Then, if more than half of the
 * threads are busy, all connections that are being served are measured, min_rate.h decides which of them are too slow
 * and how many are cut, and those are shut down.
 *
 * All of it runs on the first loop's thread, but looks at the connections of all loops, each under the lock of its
 * loop.
 */
#include "server/loop_shortage.h"

#include "base/log.h"
#include "base/stats.h"
#include "proxy/options.h"
#include "server/loop_conns.h"
#include "server/loop_handover.h"

/* Not netinet/tcp.h: its struct tcp_info lacks the counters. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* --- too late --- */

static void refuse_late(struct loop_set *set)
{
	struct threadpool *pool = set->config.context->threadpool;
	struct work *next, *late = threadpool_take_late(pool, (int64_t)(set->loops[0].options->thread_wait_s * 1000));
	for (struct work *w = late; w != NULL; w = next) {
		next = threadpool_next_late(w); /* before the refusal: then the connection is not ours any more */
		loop_handover_refuse(conn_of_work(w));
	}
}

/* --- too slow --- */

/* How many bytes the peer has acknowledged and sent, and whether the kernel still has bytes for it. TCP counts them, so
 * a send() of many bytes in another thread can be watched from here. -1: not a TCP connection. */
static int64_t moved_bytes(int fd, bool *unsent)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof info;
	int queued = 0;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
		return -1;
	*unsent = ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0;
	return (int64_t)(info.tcpi_bytes_acked + info.tcpi_bytes_received);
}

/* Measures a connection. True when it is too slow. Under the lock of its loop. */
static bool is_slow(struct loop_set *set, struct conn *c, struct min_rate_slow *slow)
{
	bool unsent = false;
	int64_t bytes = c->busy ? moved_bytes(c->fd, &unsent) : -1;
	if (bytes < 0)
		return false;
	unsigned waits = atomic_load_explicit(&c->waits, memory_order_relaxed) | (unsent ? MIN_RATE_CLIENT : 0);
	slow->rate = min_rate_measure(
	    &c->meter, set->round, waits, bytes, set->loops[0].now_ms, set->loops[0].options->min_rate);
	slow->stream = c->meter.stream;
	c->slow = slow->rate >= 0 && slow->rate < set->loops[0].options->min_rate;
	c->rate = *slow;
	return c->slow;
}

/* The rates of all slow connections; the caller frees them. Only numbers leave the lock: a connection may be closed and
 * freed as soon as it is unlocked. */
static struct min_rate_slow *find_slow(struct loop_set *set, size_t *count)
{
	size_t room = loop_conns_count(set);
	struct min_rate_slow one, *slow = calloc(room + 1, sizeof *slow);
	*count = 0;
	for (size_t i = 0; slow != NULL && i < set->count; i++) {
		pthread_mutex_lock(&set->loops[i].lock);
		for (struct conn *c = set->loops[i].conns; c != NULL; c = c->next)
			if (is_slow(set, c, &one) && *count < room)
				slow[(*count)++] = one;
		pthread_mutex_unlock(&set->loops[i].lock);
	}
	return slow;
}

/* The blocking call of its thread returns with an error, and the thread closes the connection. l_linger of 0 makes that
 * close a reset: else the kernel would go on sending to a client that does not read. */
static void cut_one(const struct conn *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	shutdown(c->fd, SHUT_RDWR);
}

/* Cuts the connections that are not faster than `last`, the fastest one to be cut, and no more than `count` of them.
 * Connections that were closed or given back since find_slow() measured them are passed over, and so are new ones: the
 * round is that of the last measurement. */
static void cut(struct loop_set *set, const struct min_rate_slow *last, size_t count)
{
	size_t left = count;
	for (size_t i = 0; i < set->count; i++) {
		pthread_mutex_lock(&set->loops[i].lock);
		for (struct conn *c = set->loops[i].conns; c != NULL && left > 0; c = c->next) {
			if (!c->busy || !c->slow || c->meter.round != set->round ||
			    min_rate_compare(&c->rate, last) > 0)
				continue;
			cut_one(c);
			c->slow = false;
			left--;
		}
		pthread_mutex_unlock(&set->loops[i].lock);
	}
	stats_add(STATS_CUT, (int64_t)(count - left));
	log_trouble("threads",
	    "more than half of the threads are busy: %zu slow connections were cut (raise --threads, or lower "
	    "--min-rate)",
	    count - left);
}

void loop_shortage_check(struct loop_set *set)
{
	refuse_late(set);
	set->round++;
	struct min_rate_load load = threadpool_load(set->config.context->threadpool);
	if (set->loops[0].options->min_rate <= 0 || !min_rate_is_short(&load))
		return;
	size_t found;
	struct min_rate_slow *slow = find_slow(set, &found);
	size_t count = slow != NULL ? min_rate_choose(&load, slow, found) : 0;
	if (count > 0)
		cut(set, &slow[count - 1], count);
	free(slow);
}
