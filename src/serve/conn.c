/* The hand-over of connections between a lane and the workers, and their end. */
#include "serve/lane_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "serve/request.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGER_MS = 500, LINGER_BYTES = 256 << 10 };

void lane_adopt(struct lane *l, int fd, bool local)
{
	struct conn *c = calloc(1, sizeof *c);
	if (c == NULL) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->lane = l;
	c->local = local;
	c->since_ms = lane_clock_ms();
	c->work.run = request_run;
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
	pthread_mutex_unlock(&l->lock);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		log_trouble("epoll", "a connection was refused: %s (raise the limit of open files)", strerror(errno));
		lane_close(l, c);
	}
}

/* Closing the descriptor also takes it out of the epoll set. */
void lane_close(struct lane *l, struct conn *c)
{
	pthread_mutex_lock(&l->lock);
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	l->conn_count--;
	close(c->fd); /* under the lock: lanes_break() must not meet a number that is somebody else's by then */
	pthread_mutex_unlock(&l->lock);
	buf_fini(&c->in);
	free(c->rest);
	free(c);
	stats_add(STATS_CONNECTIONS_OPEN, -1);
}

void lane_hand_over(struct lane *l, struct conn *c, struct span received)
{
	bool ok = received.at == c->in.data || buf_addspan(&c->in, received) == 0;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	pthread_mutex_lock(&l->lock);
	c->busy = true;
	pthread_mutex_unlock(&l->lock);
	if (!ok || !workers_run(l->lanes->config.service->workers, &c->work))
		lane_close(l, c);
}

int conn_send_rest(struct conn *c)
{
	size_t done = 0;
	while (c->rest != NULL && done < c->rest_bytes) {
		ssize_t n = send(c->fd, c->rest + done, c->rest_bytes - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	int rc = c->rest == NULL || done == c->rest_bytes ? 0 : -1;
	free(c->rest);
	c->rest = NULL;
	return rc;
}

bool conn_draining(const struct conn *c)
{
	return atomic_load_explicit(&c->lane->lanes->draining, memory_order_relaxed);
}

void conn_return(struct conn *c)
{
	struct lane *l = c->lane;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (conn_draining(c) && c->in.len == 0) {
		lane_close(l, c);
		return;
	}
	if (c->in.len == 0)
		buf_fini(&c->in);
	c->since_ms = lane_clock_ms();
	pthread_mutex_lock(&l->lock);
	c->busy = false; /* from the next line on it is the lane's */
	int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	if (rc != 0)
		c->busy = true; /* ours again, to close */
	pthread_mutex_unlock(&l->lock);
	if (rc != 0)
		lane_close(l, c);
}

void conn_close(struct conn *c, bool linger)
{
	char page[4096];
	size_t read_away = 0;
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	if (linger && shutdown(c->fd, SHUT_WR) == 0) {
		while (read_away < LINGER_BYTES && poll(&p, 1, LINGER_MS) > 0) {
			ssize_t n = recv(c->fd, page, sizeof page, MSG_DONTWAIT);
			if (n <= 0)
				break;
			read_away += (size_t)n;
		}
	}
	lane_close(c->lane, c);
}
