#include "server/loop_conns.h"

#include "base/log.h"
#include "base/stats.h"
#include "proxy/exchange_run.h"
#include "proxy/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

bool loop_conns_is_new(const struct conn *c)
{
	return !c->listed;
}

static bool add(struct conn *c, uint32_t events)
{
	struct loop *l = c->loop;
	struct epoll_event ev = {.events = events, .data.ptr = c};
	c->listed = true; /* not under the lock: nobody else knows the connection yet */
	pthread_mutex_lock(&l->lock);
	c->link = &l->conns;
	c->next = l->conns;
	if (l->conns != NULL)
		l->conns->link = &c->next;
	l->conns = c;
	l->conn_count++;
	atomic_fetch_sub(&l->set->new_conns, 1); /* after the line above: see loop_conns_count() */
	/* The loop's thread may receive from it as soon as this succeeds; it cannot close it before we unlock. If epoll
	 * refuses the descriptor, `busy` keeps the connection ours: else the loop could find it idle and close it too.
	 */
	int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	c->busy = rc != 0;
	pthread_mutex_unlock(&l->lock);
	if (rc != 0) {
		log_trouble("epoll", "a connection was refused: %s (raise the limit of open files)", strerror(errno));
		loop_conns_close(l, c);
	}
	return rc == 0;
}

bool loop_conns_add(struct conn *c)
{
	return add(c, EPOLLIN);
}

void loop_conns_share(struct conn *c, bool ready)
{
	struct loop_set *set = c->loop->set;
	c->loop = &set->loops[atomic_fetch_add(&set->next, 1) % set->count];
	add(c, ready ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void loop_conns_await_input(struct loop *l, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

void loop_conns_end(struct loop *l, struct conn *c, bool silent)
{
	if (silent || shutdown(c->fd, SHUT_WR) != 0) {
		loop_conns_close(l, c);
		return;
	}
	buf_fini(&c->in);
	c->lingers = true;
	c->since_ms = l->now_ms;
	if (loop_conns_is_new(c))
		loop_conns_share(c, false);
}

/* Takes the connection out of the list and closes the descriptor. Under the lock, because once the number is free, a
 * new connection may get it, and loop_conns_break() must not shut that one down. Closing also takes the descriptor out
 * of the epoll set. */
static void unlist(struct loop *l, struct conn *c)
{
	pthread_mutex_lock(&l->lock);
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	close(c->fd);
	pthread_mutex_unlock(&l->lock);
}

void loop_conns_close(struct loop *l, struct conn *c)
{
	bool is_new = loop_conns_is_new(c);
	if (is_new)
		close(c->fd);
	else
		unlist(l, c);
	exchange_run_abandon(c);
	limits_uncount(c);
	buf_fini(&c->in);
	conn_drop_rest(c);
	free(c);
	stats_add(STATS_CONNECTIONS_OPEN, -1);
	if (is_new) {
		atomic_fetch_sub(&l->set->new_conns, 1);
		return;
	}
	/* Counted down last: when the drain sees 0, no connection has memory or statistics left to change. */
	pthread_mutex_lock(&l->lock);
	l->conn_count--;
	pthread_mutex_unlock(&l->lock);
}

size_t loop_conns_count(struct loop_set *set)
{
	/* New ones first: a connection that enters a list meanwhile is counted twice, and not overlooked. */
	size_t open = atomic_load(&set->new_conns);
	for (size_t i = 0; i < set->count; i++) {
		pthread_mutex_lock(&set->loops[i].lock);
		open += set->loops[i].conn_count;
		pthread_mutex_unlock(&set->loops[i].lock);
	}
	return open;
}

void loop_conns_break(struct loop_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		pthread_mutex_lock(&set->loops[i].lock);
		for (struct conn *c = set->loops[i].conns; c != NULL; c = c->next)
			shutdown(c->fd, SHUT_RDWR);
		pthread_mutex_unlock(&set->loops[i].lock);
	}
}
