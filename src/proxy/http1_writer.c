/*
 * Heads and the size lines of chunks are buffered in `out`, and sent together with the bytes that follow, or by
 * flush().
 *
 * Files are sent with sendfile(), which saves a copy. A client on this machine is the exception: its recv() copies the
 * pages, and that is faster if the bytes have just been in the processor's cache. So a large file is mapped, and the
 * socket takes from the mapping what it has room for. Only the kernel reads the mapping, within send(). So a file that
 * is truncated meanwhile makes send() fail with EFAULT, and raises no SIGBUS. While a client is waited for, nothing is
 * mapped for it.
 */
#include "proxy/http1_writer.h"

#include "base/clock.h"
#include "base/stats.h"
#include "http/field.h"
#include "http/groups.h"
#include "http/status.h"
#include "net/client_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	MAPPED_FROM = 512 << 10, /* the smallest file that is faster through a mapping */
	WINDOW_BYTES = 4 << 20   /* what is mapped at a time, about what a socket takes at once */
};

static struct http1_writer *of(struct sink *s)
{
	return (struct http1_writer *)(void *)s; /* sink is the first member */
}

static int fail(struct http1_writer *a)
{
	a->failed = true;
	a->keep = false;
	return -1;
}

/* How many of n bytes may be sent now; waits for the share of the client. */
static size_t pace(const struct http1_writer *a, size_t n)
{
	return a->bandwidth > 0 ? client_limit_pace(a->limit, a->bandwidth, n, a->fd) : n;
}

static void paced(const struct http1_writer *a, size_t n)
{
	if (a->bandwidth > 0)
		client_limit_sent(a->limit, a->bandwidth, n, clock_ms());
}

/* Sends what the socket takes without waiting, and keeps the rest. */
static int send_some(struct http1_writer *a, struct span first, struct span second)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)first.at, first.len}, {(void *)(uintptr_t)second.at, second.len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n = 0;
	if (first.len + second.len == 0)
		return 0;
	do
		n = a->unsent.len > 0 ? 0 : sendmsg(a->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return fail(a);
	size_t sent = n > 0 ? (size_t)n : 0;
	size_t part = sent < first.len ? sent : first.len;
	paced(a, first.len + second.len);
	bool kept = buf_addspan(&a->unsent, span_from(first, part)) == 0 &&
		    buf_addspan(&a->unsent, span_from(second, sent - part)) == 0;
	return kept ? 0 : fail(a);
}

/* Sends two runs of bytes completely. If a send times out without progress (the socket has a send timeout), the client
 * is given up. */
static int send_all(struct http1_writer *a, struct span first, struct span second, int flags)
{
	if (!a->blocks)
		return send_some(a, first, second);
	while (first.len + second.len > 0) {
		size_t room = pace(a, first.len + second.len);
		size_t now = room < first.len ? room : first.len;
		size_t then = room - now < second.len ? room - now : second.len;
		struct iovec iov[2] = {{(void *)(uintptr_t)first.at, now}, {(void *)(uintptr_t)second.at, then}};
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = sendmsg(a->fd, &m, MSG_NOSIGNAL | flags);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(a);
		paced(a, (size_t)n);
		size_t part = (size_t)n < first.len ? (size_t)n : first.len;
		first = span_from(first, part);
		second = span_from(second, (size_t)n - part);
	}
	return 0;
}

static int send_out(struct http1_writer *a, struct span with, int flags)
{
	if (a->failed || a->out.failed)
		return fail(a);
	int rc = send_all(a, buf_span(&a->out), with, flags);
	buf_clear(&a->out);
	return rc;
}

static int sink_flush(struct sink *s)
{
	return send_out(of(s), span_make(NULL, 0), 0);
}

static int sink_interim(struct sink *s, int status, struct span fields)
{
	struct http1_writer *a = of(s);
	if (a->client_minor == 0) /* an HTTP/1.0 client knows no 1xx (RFC 9110 15.2) */
		return 0;
	struct head h;
	message_init(&h);
	if (message_parse_fields(&h, fields) == 0) {
		buf_addf(&a->out, "HTTP/1.1 %d %s\r\n", status, status_reason(status));
		for (size_t i = 0; i < h.count; i++) {
			if (!message_is_end_to_end(&h.fields[i]) || field_is_cookie(h.fields[i].name) ||
			    response_head_is_framing(h.fields[i].name) || groups_is_internal(h.fields[i].name))
				continue;
			buf_addspan(&a->out, h.fields[i].name);
			buf_adds(&a->out, ": ");
			buf_addspan(&a->out, h.fields[i].value);
			buf_adds(&a->out, "\r\n");
		}
		buf_adds(&a->out, "\r\n");
	}
	message_fini(&h);
	return sink_flush(s);
}

static void sink_go_on(struct sink *s)
{
	struct http1_writer *a = of(s);
	/* The lock is held while sending: a final head that begins meanwhile must follow the 100, not split it. */
	pthread_mutex_lock(&a->lock);
	if (!a->begun && a->client_minor > 0)
		send_all(a, span_of("HTTP/1.1 100 Continue\r\n\r\n"), span_make(NULL, 0), 0);
	pthread_mutex_unlock(&a->lock);
}

static int sink_begin(struct sink *s, const struct response_head *r)
{
	struct http1_writer *a = of(s);
	pthread_mutex_lock(&a->lock);
	a->begun = true;
	pthread_mutex_unlock(&a->lock);
	a->status = r->status;
	a->keeps_tags = r->keeps_tags;
	a->keep = a->keep && !r->close;
	a->bodiless = r->no_body || response_head_is_bodiless(r->status);
	a->chunked = !a->bodiless && r->body_bytes < 0 && a->client_minor > 0;
	a->until_close = !a->bodiless && r->body_bytes < 0 && !a->chunked; /* HTTP/1.0 has no chunks */
	a->keep = a->keep && !a->until_close;
	response_head_write(&a->out, r);
	if (r->body_bytes >= 0 && !response_head_is_bodiless(r->status)) {
		buf_adds(&a->out, "Content-Length: ");
		buf_addi(&a->out, r->body_bytes);
		buf_adds(&a->out, "\r\n");
	}
	if (a->chunked)
		buf_adds(&a->out, "Transfer-Encoding: chunked\r\n");
	if (!a->keep)
		buf_adds(&a->out, "Connection: close\r\n");
	else if (a->client_minor == 0)
		buf_adds(&a->out, "Connection: keep-alive\r\n");
	buf_adds(&a->out, "\r\n");
	return a->out.failed ? fail(a) : 0;
}

static int sink_bytes(struct sink *s, const char *bytes, size_t n)
{
	struct http1_writer *a = of(s);
	if (a->bodiless || n == 0)
		return 0;
	if (a->chunked)
		buf_addf(&a->out, "%zx\r\n", n);
	if (send_out(a, span_make(bytes, n), 0) != 0)
		return -1;
	a->body_sent += (int64_t)n;
	stats_add(STATS_BYTES_SENT, (int64_t)n);
	if (a->chunked)
		buf_adds(&a->out, "\r\n");
	return 0;
}

/* Ways to send bytes of a file. Each returns how many were sent, 0 at the end of the file, or -1 with errno. */

static ssize_t send_pages(struct http1_writer *a, int fd, int64_t at, int64_t n)
{
	off_t offset = at;
	return sendfile(a->fd, fd, &offset, n > 1 << 30 ? 1 << 30 : (size_t)n);
}

/* Does not wait. -1 with EAGAIN: the socket has no room. */
static ssize_t send_window(struct http1_writer *a, int fd, int64_t at, int64_t n)
{
	int64_t page = sysconf(_SC_PAGESIZE), skip = at % page;
	size_t bytes = n > WINDOW_BYTES ? WINDOW_BYTES : (size_t)n;
	char *window = mmap(NULL, bytes + (size_t)skip, PROT_READ, MAP_SHARED, fd, at - skip);
	if (window == MAP_FAILED)
		return -1;
	ssize_t sent = send(a->fd, window + skip, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	int saved = errno;
	munmap(window, bytes + (size_t)skip);
	errno = saved;
	return sent;
}

/* Waits until the socket has room, for the send timeout of the socket at most. False: it has none, or poll() failed. */
static bool await_room(const struct http1_writer *a)
{
	struct timeval most = {0};
	socklen_t n = sizeof most;
	struct pollfd p = {.fd = a->fd, .events = POLLOUT};
	getsockopt(a->fd, SOL_SOCKET, SO_SNDTIMEO, &most, &n);
	int64_t ms = (int64_t)most.tv_sec * 1000 + most.tv_usec / 1000;
	return poll(&p, 1, ms > 0 && ms < INT_MAX ? (int)ms : -1) > 0;
}

static ssize_t send_mapped(struct http1_writer *a, int fd, int64_t at, int64_t n)
{
	ssize_t sent;
	while ((sent = send_window(a, fd, at, n)) < 0 && errno == EAGAIN)
		if (!await_room(a)) {
			errno = EAGAIN;
			return -1;
		}
	/* The file cannot be mapped, or is truncated: sendfile() succeeds, or tells the end. */
	return sent < 0 && errno != EINTR ? send_pages(a, fd, at, n) : sent;
}

static int sink_file(struct sink *s, int fd, int64_t at, int64_t n)
{
	struct http1_writer *a = of(s);
	if (a->bodiless || n == 0)
		return 0;
	if (a->chunked)
		buf_addf(&a->out, "%" PRIx64 "\r\n", (uint64_t)n);
	if (send_out(a, span_make(NULL, 0), MSG_MORE) != 0)
		return -1;
	bool mapped = a->local && n >= MAPPED_FROM && a->bandwidth == 0;
	while (n > 0) {
		int64_t piece = (int64_t)pace(a, (size_t)n);
		ssize_t sent = mapped ? send_mapped(a, fd, at, piece) : send_pages(a, fd, at, piece);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) /* 0: the file is shorter than its row says; the response must not look complete */
			break;
		paced(a, (size_t)sent);
		at += sent;
		n -= sent;
		a->body_sent += sent;
		stats_add(STATS_BYTES_SENT, sent);
	}
	if (n > 0)
		return fail(a);
	if (a->chunked)
		buf_adds(&a->out, "\r\n");
	return 0;
}

/* True of a field line that may follow a body: it must not concern framing, routing or this connection (RFC
 * 9110 6.5.1), nor caches alone. */
static bool is_trailer(struct span line, bool keeps_tags)
{
	static const char *const never[] = {"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Host",
	    "Trailer", "TE", "Upgrade", "Content-Encoding", "Content-Type", "Content-Range", "Set-Cookie",
	    "Set-Cookie2", "Cache-Control", "Authorization", "Proxy-Authenticate", "Proxy-Authorization",
	    "Proxy-Connection", "Age", "Vary", "Location"};
	const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
	if (colon == NULL)
		return false;
	struct span name = span_make(line.at, (size_t)(colon - line.at));
	for (size_t i = 0; i < line.len; i++)
		if (((unsigned char)line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] == 127)
			return false;
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (span_is_nocase(name, never[i]))
			return false;
	return message_is_token(name) && (keeps_tags || !groups_is_internal(name));
}

static void add_trailers(struct buf *out, struct span lines, bool keeps_tags)
{
	struct span line;
	while (span_next_line(&lines, &line)) {
		if (is_trailer(line, keeps_tags)) {
			buf_addspan(out, line);
			buf_adds(out, "\r\n");
		}
	}
}

static int sink_end(struct sink *s, struct span trailers)
{
	struct http1_writer *a = of(s);
	if (a->chunked) {
		buf_adds(&a->out, "0\r\n");
		add_trailers(&a->out, trailers, a->keeps_tags);
		buf_adds(&a->out, "\r\n");
	}
	return sink_flush(s);
}

static void sink_cut(struct sink *s)
{
	sink_flush(s);
	fail(of(s));
	of(s)->cut = true;
}

static bool sink_gone(void *s)
{
	struct pollfd p = {.fd = of(s)->fd};
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

void http1_writer_init(struct http1_writer *a, int fd, bool local, int client_minor, bool keep)
{
	memset(a, 0, sizeof *a);
	a->sink = (struct sink){
	    .interim = sink_interim,
	    .begin = sink_begin,
	    .bytes = sink_bytes,
	    .file = sink_file,
	    .flush = sink_flush,
	    .end = sink_end,
	    .cut = sink_cut,
	    .gone = sink_gone,
	    .go_on = sink_go_on,
	};
	a->fd = fd;
	a->blocks = true;
	a->local = local;
	a->client_minor = client_minor;
	a->keep = keep;
	pthread_mutex_init(&a->lock, NULL);
	buf_init(&a->out, 2 * BUF_HEAD);
	buf_init(&a->unsent, HTTP1_WRITER_UNSENT);
}

void http1_writer_fini(struct http1_writer *a)
{
	pthread_mutex_destroy(&a->lock);
	buf_fini(&a->out);
	buf_fini(&a->unsent);
}
