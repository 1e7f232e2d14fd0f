#include "server/loop_accept.h"

#include "base/log.h"
#include "base/stats.h"
#include "net/listeners.h"
#include "proxy/access.h"
#include "server/loop_conns.h"
#include "server/loop_handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_MOST = MESSAGE_HEAD_MAX + (256 << 10) };

void loop_accept_pause(struct loop *l)
{
	const struct listeners *listeners = l->set->config.listeners;
	for (size_t i = 0; i < listeners->count; i++)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, listeners->fds[i], NULL);
	l->paused = true;
}

int loop_accept_resume(struct loop *l)
{
	const struct listeners *listeners = l->set->config.listeners;
	for (size_t i = 0; i < listeners->count; i++) {
		uint64_t fd = (uint64_t)listeners->fds[i];
		struct epoll_event ev = {
		    .events = EPOLLIN | EPOLLEXCLUSIVE, /* wakes one of the loops, not all of them */
		    .data.u64 = fd << LOOP_TAG_BITS | LOOP_TAG_LISTENER,
		};
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, (int)fd, &ev) != 0)
			return -1;
	}
	l->paused = false;
	return 0;
}

/* Makes an accepted descriptor a connection of the loop. Takes fd. admin: it arrived at --admin-listen. NULL: no
 * memory.
 */
static struct conn *adopt(struct loop *l, int fd, const struct sockaddr_storage *peer, bool admin)
{
	struct conn *c = calloc(1, sizeof *c);
	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->loop = l;
	c->work.run = l->set->config.run;
	c->admin = admin;
	conn_set_peer(c, peer);
	c->context = l->set->config.context;
	const struct options *options = options_now(c->context);
	if (!admin && access_awaits_header(options, c))
		c->checks = CONN_CHECK_HEADER;
	access_judge(options, c);
	c->draining = &l->set->draining;
	c->release = loop_handover_release;
	c->since_ms = loop_clock_ms();
	buf_init(&c->in, IN_MOST);
	stats_add(STATS_CONNECTIONS, 1);
	stats_add(STATS_CONNECTIONS_OPEN, 1);
	atomic_fetch_add(&l->set->new_conns, 1);
	if (limits_count(&options->limits, c))
		return c;
	loop_conns_close(l, c);
	return NULL;
}

struct conn *loop_accept_next(struct loop *l, int listener)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	/* Not SOCK_NONBLOCK, which Linux does not inherit from the listener: pool threads want it to block. */
	int fd = accept4(listener, (struct sockaddr *)&at, &n, SOCK_CLOEXEC);
	if (fd >= 0)
		return adopt(l, fd, &at, listeners_is_admin(l->set->config.listeners, listener));
	if (errno == EMFILE || errno == ENFILE) {
		log_trouble("accept", "cannot accept: %s (raise the limit of open files: ulimit -n)", strerror(errno));
		loop_accept_pause(l);
	}
	return NULL; /* EAGAIN: another loop was faster, or nothing is left */
}
