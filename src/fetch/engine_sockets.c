/*
 * Every socket of libcurl, by descriptor.
 *
 * A kept HTTP/1 connection must be silent until its next request (invariant 10; RFC 9112 9.2): whatever arrives on it would be taken for the
 * response to that request. libcurl 7.88 does not look. So an idle connection stays in the engine's epoll set, and one that becomes
 * readable, with bytes or with its end, is closed at once: a dead socket takes its descriptor's place, and libcurl finds it closed when it
 * looks for a connection to use. The engine asks epoll once more before it begins new transfers, so that nothing that has arrived by then
 * is missed.
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

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct engine_socket {
	bool open;
	bool http2;
	bool unwanted;      /* libcurl does not listen to it at the moment */
	uint32_t watched;   /* its events in the epoll set; 0: it is not in there */
	struct fetch *user; /* the transfer libcurl last waited for; NULL: idle */
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

int sockets_close(void *ctx, curl_socket_t fd)
{
	struct engine_socket *s = find(ctx, fd);
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
	else if (events != 0 && f != NULL)
		f->fd = fd;
	if (events == 0 || s == NULL)
		return 0;
	s->user = f;
	s->unwanted = false;
	if (s->watched != events)
		watch(e, fd, events, s->watched != 0);
	s->watched = events;
	return 0;
}

void sockets_note_tls(struct fetch *f)
{
	struct engine_socket *s = find(f->engine, f->fd);
	struct curl_tlssessioninfo *tls = NULL;
	const unsigned char *protocol = NULL;
	unsigned n = 0;
	if (s == NULL || s->tls != NULL || curl_easy_getinfo(f->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL ||
	    tls->internals == NULL || tls->backend != CURLSSLBACKEND_OPENSSL)
		return;
	s->tls = tls->internals;
	SSL_get0_alpn_selected(s->tls, &protocol, &n);
	s->http2 = n == 2 && memcmp(protocol, "h2", 2) == 0;
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

/* The socket of a transfer's connection. A response may come so soon that libcurl never waits for it: then nobody has it in use now. */
static struct engine_socket *find_used(struct fetch *f)
{
	struct engine *e = f->engine;
	struct engine_socket *s = find(e, f->fd);
	curl_socket_t fd = CURL_SOCKET_BAD;
	if (s != NULL && s->user == f)
		return s;
	if (curl_easy_getinfo(f->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK)
		return NULL;
	s = find(e, fd);
	f->fd = fd;
	return s != NULL && s->user == NULL ? s : NULL;
}

void sockets_leave(struct fetch *f)
{
	struct engine *e = f->engine;
	struct engine_socket *s = find_used(f);
	if (s == NULL)
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
	if (s->user == NULL) {
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
