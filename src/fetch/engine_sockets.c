/*
 * Every socket of libcurl, by descriptor.
 *
 * A kept HTTP/1 connection must be silent until its next request (invariant 10; RFC 9112 9.2): whatever arrives on it would be taken for the
 * response to that request. libcurl 7.88 does not look. So an idle connection stays in the engine's epoll set, and one that becomes
 * readable, with bytes or with its end, is closed at once: a dead socket takes its descriptor's place, and libcurl finds it closed when it
 * looks for a connection to use. Right before a request goes out on a kept connection the socket is asked once more. What arrives later cannot
 * be told from the response.
 *
 * Three kinds of unasked bytes do not wait in the socket, and are counted or asked for when a transfer leaves its connection:
 * - those libcurl read together with the head of a response that has no body, and dropped (the kernel counts what it delivered; over TLS
 *   nobody does, and such bytes are lost, so they answer nobody),
 * - those OpenSSL has decrypted and holds (SSL_pending),
 * - those after the last chunk, which engine_transfer.c sees itself.
 *
 * An idle HTTP/2 connection may speak: its frames say whom they are for. It is closed when its origin closes it.
 *
 * A connection carries one transfer at a time, in HTTP/2 as well (engine.c).
 */
#include "fetch/engine_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct engine_socket {
	bool open;
	bool http2;
	bool unwanted;      /* libcurl does not listen to it at the moment */
	uint32_t watched;   /* its events in the epoll set; 0: it is not in there */
	struct fetch *user; /* the transfer that has its connection; NULL: idle, or still connecting */
	int local_port;     /* with the next two what names a connection; 0: not known yet */
	int remote_port;
	char remote[INET6_ADDRSTRLEN];
	int next_fd;        /* in sockets_by_port; -1: the last */
	int64_t taken;      /* bytes of responses that were taken from it */
	SSL *tls;           /* libcurl's, alive as long as the socket is open; NULL: none */
};

int sockets_init(struct engine *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	close(pair[1]);
	e->dead_fd = pair[0];
	for (size_t i = 0; i < ENGINE_PORT_CHAINS; i++)
		e->sockets_by_port[i] = -1;
	return 0;
}

void sockets_fini(struct engine *e)
{
	if (e->dead_fd >= 0)
		close(e->dead_fd);
	free(e->sockets);
}

static struct engine_socket *find(struct engine *e, int fd)
{
	return fd >= 0 && (size_t)fd < e->socket_count && e->sockets[fd].open ? &e->sockets[fd] : NULL;
}

void sockets_opened(struct engine *e, int fd)
{
	if ((size_t)fd >= e->socket_count) {
		size_t n = ((size_t)fd + 1) * 2;
		struct engine_socket *more = realloc(e->sockets, n * sizeof *more);
		if (more == NULL)
			return; /* it is watched as libcurl asks, and no more */
		memset(more + e->socket_count, 0, (n - e->socket_count) * sizeof *more);
		e->sockets = more;
		e->socket_count = n;
	}
	e->sockets[fd] = (struct engine_socket){.open = true};
}

static int *chain_of(struct engine *e, int local_port)
{
	return &e->sockets_by_port[(unsigned)local_port % ENGINE_PORT_CHAINS];
}

int sockets_close(void *ctx, curl_socket_t fd)
{
	struct engine *e = ctx;
	struct engine_socket *s = find(e, fd);
	if (s != NULL && s->local_port != 0) {
		int *at = chain_of(e, s->local_port);
		while (*at != fd)
			at = &e->sockets[*at].next_fd;
		*at = s->next_fd;
	}
	if (s != NULL)
		*s = (struct engine_socket){0};
	return close(fd); /* which takes it out of the epoll set, too */
}

static void watch(struct engine *e, int fd, uint32_t events, bool known)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	if (events == 0)
		epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(e->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) != 0)
		epoll_ctl(e->epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev);
}

/* What libcurl no longer listens to stays in the epoll set: in most cases the transfer is over, and the connection is idle and watched from
 * then on. If it is only paused, the first event takes it out (sockets_event). */
int sockets_watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct engine *e = ctx;
	struct engine_socket *s = find(e, fd);
	struct fetch *f = NULL;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (what == CURL_POLL_REMOVE)
		events = 0;
	else if (known == NULL)
		curl_multi_assign(e->multi, fd, e);
	if (s == NULL)
		watch(e, fd, events, known != NULL);
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &f);
	if (events == 0 && s != NULL)
		s->unwanted = true;
	else if (events == 0 && f != NULL)
		names_keep_end(f, fd);
	if (events == 0 || s == NULL)
		return 0;
	s->unwanted = false;
	if (s->watched != events)
		watch(e, fd, events, s->watched != 0);
	s->watched = events;
	return 0;
}

static void note_tls(struct fetch *f, struct engine_socket *s)
{
	struct curl_tlssessioninfo *tls = NULL;
	const unsigned char *protocol = NULL;
	unsigned n = 0;
	if (curl_easy_getinfo(f->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL || tls->internals == NULL ||
	    tls->backend != CURLSSLBACKEND_OPENSSL)
		return;
	s->tls = tls->internals;
	SSL_get0_alpn_selected(s->tls, &protocol, &n);
	s->http2 = n == 2 && memcmp(protocol, "h2", 2) == 0;
}

static int local_port_of(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof a;
	if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
}

/* A connection that has just been made is the first one of its local port that has no name yet. */
static int find_new(struct engine *e, int local_port)
{
	for (size_t fd = 0; fd < e->socket_count; fd++)
		if (e->sockets[fd].open && e->sockets[fd].local_port == 0 && local_port_of((int)fd) == local_port)
			return (int)fd;
	return -1;
}

static bool is_readable(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

bool sockets_use(struct fetch *f, const char *remote, int remote_port, int local_port)
{
	struct engine *e = f->engine;
	int *chain = chain_of(e, local_port), fd = *chain;
	struct engine_socket *s;
	for (; (s = find(e, fd)) != NULL; fd = s->next_fd)
		if (s->local_port == local_port && s->remote_port == remote_port && strcmp(s->remote, remote) == 0)
			break;
	bool kept = s != NULL;
	if (!kept) {
		s = find(e, f->fd); /* the last one opened for it */
		fd = s != NULL && s->local_port == 0 && local_port_of(f->fd) == local_port ? f->fd : find_new(e, local_port);
		if ((s = find(e, fd)) == NULL)
			return true;
		s->local_port = local_port;
		s->remote_port = remote_port;
		snprintf(s->remote, sizeof s->remote, "%s", remote);
		s->next_fd = *chain;
		*chain = fd;
		note_tls(f, s);
	}
	s->user = f;
	f->fd = fd;
	return !kept || s->http2 || !is_readable(fd);
}

/* Puts a dead socket in its place. libcurl closes the descriptor when it next looks at the connection. */
static void retire(struct engine *e, int fd)
{
	if (dup3(e->dead_fd, fd, O_CLOEXEC) < 0)
		shutdown(fd, SHUT_RDWR);
	e->sockets[fd].watched = 0; /* the epoll set lost it with its file */
	e->sockets[fd].tls = NULL;
}

/* More was delivered than the transfers took: libcurl has dropped the rest. */
static bool delivered_more(const struct engine_socket *s, int fd)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof info;
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 && n >= offsetof(struct tcp_info, tcpi_bytes_received) + 8 &&
	    info.tcpi_bytes_received > (uint64_t)s->taken;
}

void sockets_leave(struct fetch *f)
{
	struct engine *e = f->engine;
	struct engine_socket *s = find(e, f->fd);
	if (s == NULL || s->user != f)
		return;
	uint32_t idle = s->http2 ? EPOLLRDHUP : EPOLLIN;
	s->user = NULL;
	s->taken += f->taken;
	if (!s->http2 && (s->tls != NULL ? SSL_pending(s->tls) > 0 : f->bodiless && delivered_more(s, f->fd))) {
		retire(e, f->fd);
	} else if (s->watched != idle) {
		watch(e, f->fd, idle, s->watched != 0);
		s->watched = idle;
	}
}

bool sockets_event(struct engine *e, int fd)
{
	struct engine_socket *s = find(e, fd);
	if (s == NULL)
		return true;
	if (s->user == NULL && s->local_port != 0) {
		retire(e, fd);
		return false;
	}
	if (s->unwanted) {
		watch(e, fd, 0, true);
		s->watched = 0;
		return false;
	}
	return true;
}
