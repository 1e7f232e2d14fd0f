/*
 * A table of libcurl's sockets, by descriptor.
 *
 * A kept HTTP/1 connection must be silent until its next request (invariant 10; RFC 9112 9.2): bytes that arrive
 * earlier would be taken for the response to that request. libcurl 7.88 does not look. So an idle connection stays in
 * the engine's epoll set. If it becomes readable, with bytes or with its end, it is closed at once: a dead socket takes
 * the place of its descriptor, and libcurl finds it closed when it next looks for a connection. Right before a request
 * goes out on a kept connection, the socket is looked at once more. Bytes that arrive later cannot be told from the
 * response.
 *
 * Three kinds of bytes that belong to no request do not wait in the socket. They are found when a transfer leaves its
 * connection:
 * - bytes that libcurl read together with the head of a response without a body, and dropped. The kernel counts what it
 *   delivered. Over TLS nobody counts them; they are lost, so they become nobody's response;
 * - bytes that OpenSSL has decrypted and holds (SSL_pending);
 * - bytes after the last chunk, which transfer_receive.c sees.
 *
 * An idle HTTP/2 connection may receive frames, because each names its stream. It is closed when its origin closes it.
 *
 * A connection carries one transfer at a time, in HTTP/2 as well (engine.c).
 */
#include "fetch/origin_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_CHAINS = 256 };

struct origin_socket {
	bool open;
	bool http2;
	bool unwanted;           /* libcurl does not listen to it at the moment */
	uint32_t watched;        /* its events in the epoll set; 0: it is not in there */
	struct socket_use *user; /* of the transfer that uses its connection; NULL: idle, or still connecting */
	int local_port;          /* names the connection, together with the next two; 0: not known yet */
	int remote_port;
	char remote[INET6_ADDRSTRLEN];
	int next_fd;   /* in by_port; -1: the last */
	int64_t taken; /* bytes of responses that transfers took from it */
	SSL *tls;      /* libcurl's, alive as long as the socket is open; NULL: none */
};

struct origin_sockets {
	int epoll_fd;
	CURLM *multi;
	int dead_fd; /* a socket whose other end is closed */
	struct origin_socket *by_fd;
	size_t count;
	int by_port[PORT_CHAINS]; /* descriptors, through next_fd */
};

struct origin_sockets *origin_sockets_new(int epoll_fd, CURLM *multi)
{
	int pair[2];
	struct origin_sockets *t = calloc(1, sizeof *t);
	if (t == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		free(t);
		return NULL;
	}
	close(pair[1]);
	t->dead_fd = pair[0];
	t->epoll_fd = epoll_fd;
	t->multi = multi;
	for (size_t i = 0; i < PORT_CHAINS; i++)
		t->by_port[i] = -1;
	return t;
}

void origin_sockets_free(struct origin_sockets *t)
{
	if (t == NULL)
		return;
	close(t->dead_fd);
	free(t->by_fd);
	free(t);
}

/* NULL: not a socket of ours, or there was no memory to note it. Callers then do what libcurl wants. */
static struct origin_socket *find(struct origin_sockets *t, int fd)
{
	return fd >= 0 && (size_t)fd < t->count && t->by_fd[fd].open ? &t->by_fd[fd] : NULL;
}

void origin_sockets_opened(struct origin_sockets *t, struct socket_use *use, int fd)
{
	use->fd = fd;
	if ((size_t)fd >= t->count) {
		size_t n = ((size_t)fd + 1) * 2;
		struct origin_socket *more = realloc(t->by_fd, n * sizeof *more);
		if (more == NULL)
			return; /* it is watched only while libcurl wants it */
		memset(more + t->count, 0, (n - t->count) * sizeof *more);
		t->by_fd = more;
		t->count = n;
	}
	t->by_fd[fd] = (struct origin_socket){.open = true};
}

static int *chain_of(struct origin_sockets *t, int local_port)
{
	return &t->by_port[(unsigned)local_port % PORT_CHAINS];
}

/* `known`: it should be in the epoll set already. The set may have lost it with a descriptor that was closed and opened
 * again, so the other operation is tried when one fails. */
static void watch(struct origin_sockets *t, int fd, uint32_t events, bool known)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	if (events == 0)
		epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(t->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) != 0)
		epoll_ctl(t->epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev);
}

/* From here on no transfer finds the connection by its ports. */
static void forget_name(struct origin_sockets *t, int fd)
{
	struct origin_socket *s = &t->by_fd[fd];
	if (s->local_port == 0)
		return;
	int *at = chain_of(t, s->local_port);
	while (*at != fd)
		at = &t->by_fd[*at].next_fd;
	*at = s->next_fd;
	s->local_port = 0;
}

int origin_sockets_close(void *ctx, curl_socket_t fd)
{
	struct origin_sockets *t = ctx;
	struct origin_socket *s = find(t, fd);
	if (s != NULL) {
		forget_name(t, fd);
		if (s->watched != 0)
			watch(t, fd, 0, true); /* close() does not do that while a tunnel has a duplicate */
		*s = (struct origin_socket){0};
	}
	return close(fd);
}

/* A socket that libcurl no longer listens to stays in the epoll set. In most cases its transfer is over, and the idle
 * connection is watched from then on. If the transfer is only paused, the first event takes the socket out
 * (origin_sockets_event). */
bool origin_sockets_watch(struct origin_sockets *t, curl_socket_t fd, int what, void *known)
{
	struct origin_socket *s = find(t, fd);
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (what == CURL_POLL_REMOVE)
		events = 0;
	else if (known == NULL)
		curl_multi_assign(t->multi, fd, t);
	if (s == NULL) {
		watch(t, fd, events, known != NULL);
		return false;
	}
	s->unwanted = events == 0;
	if (events != 0 && s->watched != events) {
		watch(t, fd, events, s->watched != 0);
		s->watched = events;
	}
	return true;
}

/* The SSL object of the connection, and whether it speaks HTTP/2. */
static void note_tls(CURL *easy, struct origin_socket *s)
{
	struct curl_tlssessioninfo *tls = NULL;
	const unsigned char *protocol = NULL;
	unsigned n = 0;
	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL || tls->internals == NULL ||
	    tls->backend != CURLSSLBACKEND_OPENSSL)
		return;
	s->tls = tls->internals;
	SSL_get0_alpn_selected(s->tls, &protocol, &n);
	s->http2 = n == 2 && memcmp(protocol, "h2", 2) == 0;
}

/* 0: not known. */
static int local_port_of(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof a;
	if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		return 0;
	return ntohs(
	    a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
}

/* A connection that was just made is the one with its local port that has no name yet. */
static int find_new(struct origin_sockets *t, int local_port)
{
	for (size_t fd = 0; fd < t->count; fd++)
		if (t->by_fd[fd].open && t->by_fd[fd].local_port == 0 && local_port_of((int)fd) == local_port)
			return (int)fd;
	return -1;
}

/* True when bytes, an end or an error wait in the socket. Takes nothing out of it. */
static bool is_readable(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* Puts a dead socket in the place of the descriptor. It may not be closed here: libcurl has it, and the kernel would
 * give the number to another file. libcurl closes it when it next looks at the connection. */
static void retire(struct origin_sockets *t, int fd)
{
	if (dup3(t->dead_fd, fd, O_CLOEXEC) < 0)
		shutdown(fd, SHUT_RDWR);
	forget_name(t, fd);       /* the kernel may now give its port to a new connection */
	t->by_fd[fd].watched = 0; /* dup3() has taken it out of the epoll set */
	t->by_fd[fd].tls = NULL;
}

/* The kernel delivered more bytes than the transfers took, so libcurl has dropped some. */
static bool delivered_more(const struct origin_socket *s, int fd)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof info;
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
	       n >= offsetof(struct tcp_info, tcpi_bytes_received) + 8 && info.tcpi_bytes_received > (uint64_t)s->taken;
}

void origin_sockets_leave(struct origin_sockets *t, struct socket_use *use)
{
	struct origin_socket *s = find(t, use->fd);
	if (s == NULL || s->user != use)
		return;
	/* HTTP/1 must be silent, so any event is one too many. HTTP/2 may receive frames; only its end matters. */
	uint32_t idle = s->http2 ? EPOLLRDHUP : EPOLLIN;
	s->user = NULL;
	s->taken += use->taken;
	if (!s->http2 && (s->tls != NULL ? SSL_pending(s->tls) > 0 : use->bodiless && delivered_more(s, use->fd))) {
		retire(t, use->fd);
	} else if (s->watched != idle) {
		watch(t, use->fd, idle, s->watched != 0);
		s->watched = idle;
	}
}

bool origin_sockets_use(
    struct origin_sockets *t, struct socket_use *use, CURL *easy, const char *remote, int remote_port, int local_port)
{
	int *chain = chain_of(t, local_port), fd = *chain;
	struct origin_socket *s;
	for (; (s = find(t, fd)) != NULL; fd = s->next_fd)
		if (s->local_port == local_port && s->remote_port == remote_port && strcmp(s->remote, remote) == 0)
			break;
	/* libcurl does not say which socket a transfer got. Addresses and ports do: a kept connection is in the table
	 * under them, a new one is not yet. */
	bool kept = s != NULL;
	if (!kept) {
		s = find(t, use->fd); /* the last one opened for it */
		fd = s != NULL && s->local_port == 0 && local_port_of(use->fd) == local_port ? use->fd
											     : find_new(t, local_port);
		if ((s = find(t, fd)) == NULL)
			return true;
		s->local_port = local_port;
		s->remote_port = remote_port;
		snprintf(s->remote, sizeof s->remote, "%s", remote);
		s->next_fd = *chain;
		*chain = fd;
		note_tls(easy, s);
	}
	/* libcurl reuses a connection before it reports the end of the transfer before. */
	if (s->user != NULL && s->user != use)
		origin_sockets_leave(t, s->user);
	s->user = use;
	use->fd = fd;
	return !kept || s->http2 || !is_readable(fd);
}

bool origin_sockets_event(struct origin_sockets *t, int fd)
{
	struct origin_socket *s = find(t, fd);
	if (s == NULL)
		return true;
	/* Idle, and bytes or the end have arrived. A socket without a port is still connecting. */
	if (s->user == NULL && s->local_port != 0) {
		retire(t, fd);
		return false;
	}
	if (s->unwanted) {
		watch(t, fd, 0, true);
		s->watched = 0;
		return false;
	}
	return true;
}
