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

#include "base/stats.h"
#include "proxy/exchange_run.h"
#include "proxy/options.h"
#include "server/loop_conns.h"
#include "server/loop_refuse.h"

#include <sys/epoll.h>
#include <sys/socket.h>

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
	if (!keep) {
		/* Bytes that we have not read make the kernel reset the connection, and a reset destroys what the
		 * client has not read yet. So we wait a moment for the client to end its side (RFC 9112 9.6). */
		conn_linger(c);
		loop_conns_close(c->loop, c);
		return;
	}
	if (c->in.len == 0)
		buf_fini(&c->in); /* an idle connection holds no memory */
	loop_handover_to_loop(c);
}

/* --- no thread --- */

void loop_handover_refuse(struct conn *c)
{
	struct loop *l = c->loop;
	if (c->run == NULL)
		stats_add(STATS_REQUESTS, 1);
	stats_add(STATS_NO_THREAD, 1);
	exchange_run_abandon(c);
	if (c->rest != NULL) { /* part of a response was sent: a 503 cannot follow */
		loop_conns_close(l, c);
		return;
	}
	/* RFC 9110 15.6.4 */
	const struct loop_refusal busy = {503, "all threads are busy: try again later\n", "no thread was free",
	    1 + (int)options_now(l->set->config.context)->thread_wait_s};
	loop_refuse_send(c, buf_span(&c->in), &busy);
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
