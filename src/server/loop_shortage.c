/*
 * What the first loop does once a second about threads: requests that have waited too long for one get a 503, and when
 * more than half of them are busy, connections that move too little are cut (min_rate.h). A cut is a shutdown(): the
 * thread that reads from the client, writes to it or waits for its fetch notices, and gives the connection
 * back.
 *
 * TCP itself counts what has moved, so that a send of many bytes that waits for its client can be watched from outside.
 */
#include "server/loop_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/date.h"

/* netinet/tcp.h has a struct tcp_info without the counters. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { HEAD_BYTES = 512 };

/* --- too late --- */

static void log_refused(const struct conn *c, const struct head *h, int64_t now)
{
	char client[CONN_PEER];
	conn_peer(c, client);
	struct log_access a = {.client = span_of(client),
	    .request_line = message_request_line(h),
	    .referer = message_find(h, "Referer"),
	    .user_agent = message_find(h, "User-Agent"),
	    .status = 503,
	    .verdict = span_of("refused")};
	log_access(&a, now);
}

/* 503 with Retry-After (RFC 9110 15.6.4, 10.2.3). Does not wait: what the socket does not take at once is lost with the
 * connection. */
static void send_refusal(const struct conn *c, double thread_wait_s, int64_t now)
{
	static const char text[] = "all threads are busy: try again later\n";
	char date[DATE_BYTES], reply[HEAD_BYTES];
	struct head h;
	struct fault fault;
	message_init(&h);
	bool whole = message_parse_request(&h, buf_span(&c->in), &fault) == MESSAGE_WHOLE;
	bool bodiless = whole && span_is(h.method, "HEAD");
	date_format(now, date);
	int n = snprintf(reply, sizeof reply,
	    "HTTP/1.1 503 Service Unavailable\r\nDate: %s\r\nContent-Type: text/plain; "
	    "charset=utf-8\r\nContent-Length: %zu\r\n"
	    "Retry-After: %d\r\nCache-Control: no-store\r\nCache-Status: curlew; detail=\"no thread was "
	    "free\"\r\nConnection: close\r\n\r\n%s",
	    date, sizeof text - 1, 1 + (int)thread_wait_s, bodiless ? "" : text);
	send(c->fd, reply, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (whole && log_access_wanted())
		log_refused(c, &h, now);
	message_fini(&h);
}

void loop_refuse(struct conn *c)
{
	stats_add(STATS_REQUESTS, 1);
	stats_add(STATS_NO_THREAD, 1);
	if (c->rest != NULL) { /* in the middle of a response there is nothing to say */
		loop_close(c->loop, c);
		return;
	}
	send_refusal(c, c->loop->loops->config.thread_wait_s, (int64_t)time(NULL));
	buf_fini(&c->in);
	if (shutdown(c->fd, SHUT_WR) != 0) {
		loop_close(c->loop, c);
		return;
	}
	c->lingers = true;
	loop_take_back(c);
}

static void refuse_late(struct loops *all)
{
	struct work *next,
	    *late = threadpool_take_late(all->config.context->threadpool, (int64_t)(all->config.thread_wait_s * 1000));
	for (struct work *w = late; w != NULL; w = next) {
		next = threadpool_next_late(w);
		loop_refuse(conn_of_work(w));
	}
}

/* --- too slow --- */

/* Bytes that have moved either way, and whether some of ours have not been taken yet; -1: not a TCP connection. */
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

/* Looks at a connection. True when it is too slow. */
static bool is_slow(struct loops *all, struct conn *c, struct min_rate_slow *slow)
{
	bool unsent = false;
	int64_t bytes = c->busy ? moved_bytes(c->fd, &unsent) : -1;
	if (bytes < 0)
		return false;
	unsigned waits = atomic_load_explicit(&c->waits, memory_order_relaxed) | (unsent ? MIN_RATE_READER : 0);
	slow->rate = min_rate_measure(&c->meter, all->round, waits, bytes, all->all[0].now_ms, all->config.min_rate);
	slow->stream = c->meter.stream;
	c->slow = slow->rate >= 0 && slow->rate < all->config.min_rate;
	c->rate = *slow;
	return c->slow;
}

/* The slow ones among all connections; the caller frees them. */
static struct min_rate_slow *find_slow(struct loops *all, size_t *count)
{
	size_t room = loops_open(all);
	struct min_rate_slow one, *slow = calloc(room + 1, sizeof *slow);
	*count = 0;
	for (size_t i = 0; slow != NULL && i < all->count; i++) {
		pthread_mutex_lock(&all->all[i].lock);
		for (struct conn *c = all->all[i].conns; c != NULL; c = c->next)
			if (is_slow(all, c, &one) && *count < room)
				slow[(*count)++] = one;
		pthread_mutex_unlock(&all->all[i].lock);
	}
	return slow;
}

/* Its thread notices, and when that has closed the connection, what the client has not taken is thrown away
 * with it. */
static void cut_one(const struct conn *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	shutdown(c->fd, SHUT_RDWR);
}

/* Cuts those that are not faster than the last one to be cut. */
static void cut(struct loops *all, const struct min_rate_slow *last, size_t count)
{
	size_t left = count;
	for (size_t i = 0; i < all->count; i++) {
		pthread_mutex_lock(&all->all[i].lock);
		for (struct conn *c = all->all[i].conns; c != NULL && left > 0; c = c->next) {
			if (!c->busy || !c->slow || c->meter.round != all->round ||
			    min_rate_compare(&c->rate, last) > 0)
				continue;
			cut_one(c);
			c->slow = false;
			left--;
		}
		pthread_mutex_unlock(&all->all[i].lock);
	}
	stats_add(STATS_CUT, (int64_t)(count - left));
	log_trouble("threads",
	    "more than half of the threads are busy: %zu slow connections were cut (raise --threads, or lower "
	    "--min-rate)",
	    count - left);
}

void loop_shortage(struct loops *all)
{
	refuse_late(all);
	all->round++;
	struct min_rate_load load = threadpool_load(all->config.context->threadpool);
	if (all->config.min_rate <= 0 || !min_rate_is_short(&load))
		return;
	size_t found;
	struct min_rate_slow *slow = find_slow(all, &found);
	size_t count = slow != NULL ? min_rate_choose(&load, slow, found) : 0;
	if (count > 0)
		cut(all, &slow[count - 1], count);
	free(slow);
}
