/*
 * The two directions are not symmetric:
 *
 * - Loop to pool: the descriptor leaves the epoll set first, so that no later wake-up can return the connection while a
 *   pool thread owns it. epoll reports a descriptor once in a wake-up, so this wake-up does not return it again either.
 * - Pool to loop: `busy` is cleared and the descriptor is added under one hold of the lock. Once the descriptor is in
 *   the epoll set, the loop's thread may receive from the connection, respond, and wait for the lock to close it. The
 *   pool thread touches the connection no more after it unlocks.
 */
#include "server/loop_handover.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/date.h"
#include "server/loop_conns.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { HEAD_BYTES = 512 };

void loop_handover_to_loop(struct conn *c)
{
	struct loop *l = c->loop;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	c->since_ms = loop_clock_ms();
	pthread_mutex_lock(&l->lock);
	c->busy = false; /* from the next line on it is the loop's */
	int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	if (rc != 0)
		c->busy = true; /* ours again, to close */
	pthread_mutex_unlock(&l->lock);
	if (rc != 0)
		loop_conns_close(l, c);
}

void loop_handover_release(struct conn *c, bool keep)
{
	/* Draining closes idle connections. A connection with bytes in its buffer is not idle: a request has begun. */
	bool idle = c->in.len == 0;
	if (!keep || (idle && atomic_load(c->draining))) {
		/* Bytes that we have not read make the kernel reset the connection, and a reset destroys what the
		 * client has not read yet. So we wait a moment for the client to end its side (RFC 9112 9.6). */
		conn_linger(c);
		loop_conns_close(c->loop, c);
		return;
	}
	if (idle)
		buf_fini(&c->in); /* an idle connection holds no memory */
	loop_handover_to_loop(c);
}

/* --- no thread --- */

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

/* 503 with Retry-After (RFC 9110 15.6.4, 10.2.3). Does not block: what the socket does not accept at once is lost with
 * the connection. */
static void send_refusal(const struct conn *c, double thread_wait_s, int64_t now)
{
	static const char text[] = "all threads are busy: try again later\n";
	char date[DATE_BYTES], response[HEAD_BYTES];
	struct head h;
	struct fault fault;
	message_init(&h);
	bool whole = message_parse_request(&h, buf_span(&c->in), &fault) == MESSAGE_WHOLE;
	bool bodiless = whole && span_is(h.method, "HEAD");
	date_format(now, date);
	int n = snprintf(response, sizeof response,
	    "HTTP/1.1 503 Service Unavailable\r\n"
	    "Date: %s\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Retry-After: %d\r\n"
	    "Cache-Control: no-store\r\n"
	    "Cache-Status: curlew; detail=\"no thread was free\"\r\n"
	    "Connection: close\r\n"
	    "\r\n%s",
	    date, sizeof text - 1, 1 + (int)thread_wait_s, bodiless ? "" : text);
	send(c->fd, response, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (whole && log_access_wanted())
		log_refused(c, &h, now);
	message_fini(&h);
}

void loop_handover_refuse(struct conn *c)
{
	struct loop *l = c->loop;
	stats_add(STATS_REQUESTS, 1);
	stats_add(STATS_NO_THREAD, 1);
	if (c->rest != NULL) { /* part of a response was sent: a 503 cannot follow */
		loop_conns_close(l, c);
		return;
	}
	send_refusal(c, l->set->config.thread_wait_s, (int64_t)time(NULL));
	buf_fini(&c->in);
	if (shutdown(c->fd, SHUT_WR) != 0) {
		loop_conns_close(l, c);
		return;
	}
	/* Nobody may block here as conn_linger() does. The loop discards what still arrives, until the client ends its
	 * side or the time for it is over. */
	c->lingers = true;
	loop_handover_to_loop(c);
}

void loop_handover_to_pool(struct loop *l, struct conn *c, struct span received)
{
	bool ok = received.at == c->in.data || buf_addspan(&c->in, received) == 0;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	pthread_mutex_lock(&l->lock);
	c->busy = true;
	pthread_mutex_unlock(&l->lock);
	if (!ok)
		loop_conns_close(l, c);
	else if (!threadpool_run(l->set->config.context->threadpool, &c->work))
		loop_handover_refuse(c);
}
