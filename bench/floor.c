/*
 * floor: the least a server can do, and so the limit for any server on this machine.
 *
 *   floor          answers every request with the same 1 KiB, without reading the request
 *   floor --sizes  is an origin: /SIZE/anything gets SIZE bytes, fresh for an hour; /count gets the number of responses
 * so far
 *
 * Two threads, each with an epoll set and a listener of its own on one port, which is printed. Blocks nowhere but in
 * epoll_wait; a connection reads no further request while it owes an answer. Ends with its parent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 2, EVENTS = 256, CONSTANT_BODY = 1024, PATTERN = 256 << 10 };

struct connection {
	int fd;
	bool blocked; /* waits for EPOLLOUT, not EPOLLIN */
	size_t got;
	char in[8192];
	size_t head_at, head_len;
	char head[512];
	uint64_t body_left;
};

static char pattern[PATTERN];
static char constant[CONSTANT_BODY + 256];
static size_t constant_len;
static bool sizes;
static _Atomic uint64_t answers;

static void say(struct connection *c, uint64_t body_bytes, const char *extra)
{
	char date[40];
	time_t now = time(NULL);
	struct tm tm;
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	int n = snprintf(c->head, sizeof c->head,
	    "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/octet-stream\r\n%sContent-Length: %llu\r\n\r\n",
	    date, extra, (unsigned long long)body_bytes);
	c->head_at = 0;
	c->head_len = (size_t)n;
	c->body_left = body_bytes;
}

/* Makes the answer owed for the request at the start of c->in. */
static void answer(struct connection *c)
{
	char *path = memchr(c->in, ' ', c->got);
	if (path != NULL && strncmp(path + 1, "/count ", 7) == 0) {
		char count[32];
		int n = snprintf(count, sizeof count, "%llu\n", (unsigned long long)atomic_load(&answers));
		say(c, (uint64_t)n, "Cache-Control: no-store\r\n");
		memcpy(c->head + c->head_len, count, (size_t)n);
		c->head_len += (size_t)n;
		c->body_left = 0;
		return;
	}
	atomic_fetch_add_explicit(&answers, 1, memory_order_relaxed);
	say(c, path == NULL ? 0 : strtoull(path + 2, NULL, 10),
	    "Cache-Control: max-age=3600\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

/* Sends what is owed. 1 when all is out, 0 when the socket is full, -1 when it is gone. */
static int flush(struct connection *c)
{
	while (c->head_len > c->head_at || c->body_left > 0) {
		struct iovec parts[2] = {{c->head + c->head_at, c->head_len - c->head_at},
		    {pattern, c->body_left < PATTERN ? (size_t)c->body_left : PATTERN}};
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
		ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		size_t of_head = (size_t)n < parts[0].iov_len ? (size_t)n : parts[0].iov_len;
		c->head_at += of_head;
		c->body_left -= (uint64_t)n - of_head;
	}
	return 1;
}

/* Answers the whole requests in c->in until the socket is full. False when the connection is over. */
static bool serve(struct connection *c)
{
	for (;;) {
		int out = sizes ? flush(c) : 1;
		if (out <= 0) {
			c->blocked = out == 0;
			return out == 0;
		}
		c->blocked = false;
		char *end = memmem(c->in, c->got, "\r\n\r\n", 4);
		if (end == NULL)
			return c->got < sizeof c->in;
		if (sizes)
			answer(c);
		else if (send(c->fd, constant, constant_len, MSG_NOSIGNAL) != (ssize_t)constant_len)
			return false;
		size_t used = (size_t)(end + 4 - c->in);
		memmove(c->in, c->in + used, c->got - used);
		c->got -= used;
	}
}

static bool ready(struct connection *c)
{
	if (c->blocked)
		return serve(c);
	ssize_t n = recv(c->fd, c->in + c->got, sizeof c->in - c->got, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->got += (size_t)n;
	return serve(c);
}

static void welcome(int set, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
	if (c == NULL) {
		close(fd);
		return;
	}
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->fd = fd;
	struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = c};
	epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted);
}

static void *loop(void *argument)
{
	int listener = *(int *)argument, set = epoll_create1(0);
	struct epoll_event events[EVENTS], wanted = {.events = EPOLLIN, .data.ptr = NULL};
	epoll_ctl(set, EPOLL_CTL_ADD, listener, &wanted);
	for (;;) {
		int n = epoll_wait(set, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			if (c == NULL) {
				welcome(set, listener);
				continue;
			}
			bool was_blocked = c->blocked;
			if (!ready(c)) {
				close(c->fd);
				free(c);
			} else if (c->blocked != was_blocked) {
				wanted = (struct epoll_event){.events = c->blocked ? EPOLLOUT : EPOLLIN, .data.ptr = c};
				epoll_ctl(set, EPOLL_CTL_MOD, c->fd, &wanted);
			}
		}
	}
	return NULL;
}

static int listen_on(in_port_t *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = *port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		perror("floor: listen");
		exit(1);
	}
	*port = at.sin_port;
	return fd;
}

int main(int argc, char **argv)
{
	static int listeners[THREADS];
	pthread_t threads[THREADS];
	in_port_t port = 0;
	sizes = argc > 1 && strcmp(argv[1], "--sizes") == 0;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	memset(pattern, 'x', sizeof pattern);
	constant_len = (size_t)snprintf(constant, sizeof constant,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", CONSTANT_BODY);
	memset(constant + constant_len, 'x', CONSTANT_BODY);
	constant_len += CONSTANT_BODY;
	for (int i = 0; i < THREADS; i++)
		listeners[i] = listen_on(&port);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, loop, &listeners[i]);
	printf("%d\n", ntohs(port));
	fflush(stdout);
	pthread_join(threads[0], NULL);
	return 0;
}
