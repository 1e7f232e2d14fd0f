/* A loop's connections: their coming, the hand-over to threadpool and back, their end. */
#include "server/loop_internal.h"

#include "base/log.h"
#include "base/stats.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A worker gives a connection back. */
static void release(struct conn *c, bool keep)
{
	struct loop *l = c->loop;
	if (!keep) {
		conn_linger(c);
		loop_close(l, c);
		return;
	}
	if (atomic_load(c->draining) && c->in.len == 0) {
		conn_linger(c); /* what we have not read would reset what the client has not read */
		loop_close(l, c);
		return;
	}
	if (c->in.len == 0)
		buf_fini(&c->in);
	loop_take_back(c);
}

void loop_take_back(struct conn *c)
{
	struct loop *l = c->loop;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	c->since_ms = clock_ms();
	pthread_mutex_lock(&l->lock);
	c->busy = false; /* from the next line on it is the loop's */
	int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	if (rc != 0)
		c->busy = true; /* ours again, to close */
	pthread_mutex_unlock(&l->lock);
	if (rc != 0)
		loop_close(l, c);
}

/* Clients take turns by address. In IPv6 that is the first half of it: whoever has one address there has all of that
 * half. */
static uint64_t client_of(const struct sockaddr_storage *at)
{
	uint64_t client = 0;
	if (at->ss_family == AF_UNIX)
		return 0;
	if (at->ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)at)->sin_addr.s_addr;
	const unsigned char *v6 = ((const struct sockaddr_in6 *)(const void *)at)->sin6_addr.s6_addr;
	bool v4 = IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)(const void *)at)->sin6_addr);
	memcpy(&client, v4 ? v6 + 12 : v6, v4 ? 4 : 8);
	return client;
}

void loop_adopt(struct loop *l, int fd, const struct sockaddr_storage *peer, bool admin)
{
	struct conn *c = calloc(1, sizeof *c);
	if (c == NULL) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->loop = l;
	c->work.item.client = client_of(peer);
	c->admin = admin;
	conn_set_peer(c, peer);
	c->context = l->loops->config.context;
	c->draining = &l->loops->draining;
	c->release = release;
	c->since_ms = clock_ms();
	c->work.run = l->loops->config.run;
	buf_init(&c->in, MESSAGE_HEAD_MAX + (256 << 10));
	stats_add(STATS_CONNECTIONS, 1);
	stats_add(STATS_CONNECTIONS_OPEN, 1);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	pthread_mutex_lock(&l->lock);
	c->link = &l->conns;
	c->next = l->conns;
	if (l->conns != NULL)
		l->conns->link = &c->next;
	l->conns = c;
	l->conn_count++;
	int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
	c->busy = rc != 0;
	pthread_mutex_unlock(&l->lock);
	if (rc != 0) {
		log_trouble("epoll", "a connection was refused: %s (raise the limit of open files)", strerror(errno));
		loop_close(l, c);
	}
}

/* Closing the descriptor also takes it out of the epoll set. */
void loop_close(struct loop *l, struct conn *c)
{
	pthread_mutex_lock(&l->lock);
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	close(c->fd); /* under the lock: loops_break() must not meet a number that is somebody else's by then */
	pthread_mutex_unlock(&l->lock);
	buf_fini(&c->in);
	free(c->rest);
	free(c);
	stats_add(STATS_CONNECTIONS_OPEN, -1);
	pthread_mutex_lock(&l->lock);
	l->conn_count--; /* last: the drain waits for it */
	pthread_mutex_unlock(&l->lock);
}

void loop_hand_over(struct loop *l, struct conn *c, struct span received)
{
	bool ok = received.at == c->in.data || buf_addspan(&c->in, received) == 0;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	pthread_mutex_lock(&l->lock);
	c->busy = true;
	pthread_mutex_unlock(&l->lock);
	if (!ok)
		loop_close(l, c);
	else if (!threadpool_run(l->loops->config.context->threadpool, &c->work))
		loop_refuse(c);
}
