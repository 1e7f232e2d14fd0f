#include "proxy/request_body.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

void intake_init(struct intake *in, struct conn *c, size_t head_bytes, enum message_framing framing, int64_t length,
    double timeout_s)
{
	in->conn = c;
	in->framing = framing;
	in->left = framing == MESSAGE_LENGTH ? length : 0;
	in->timeout_s = timeout_s;
	in->stop_fd = -1;
	in->ready = span_from(buf_span(&c->in), head_bytes);
	in->consumed = 0;
	chunked_init(&in->chunks);
}

void intake_fini(struct intake *in)
{
	chunked_fini(&in->chunks);
}

bool intake_is_here(const struct intake *in)
{
	return in->framing == MESSAGE_NO_BODY ||
	    (in->framing == MESSAGE_LENGTH && (uint64_t)in->left <= in->ready.len);
}

static bool from_page(const struct intake *in)
{
	return in->ready.at >= in->page && in->ready.at <= in->page + sizeof in->page;
}

/* INTAKE_DATA when something came. */
static enum intake_step receive(struct intake *in)
{
	struct pollfd p[2] = {{.fd = in->conn->fd, .events = POLLIN}, {.fd = in->stop_fd, .events = POLLIN}};
	int ready;
	ssize_t n = -1;
	conn_waits(in->conn, MIN_RATE_BODY, true);
	do
		ready = poll(p, 2, (int)(in->timeout_s * 1000));
	while (ready < 0 && errno == EINTR);
	conn_waits(in->conn, MIN_RATE_BODY, false);
	if (ready == 0)
		return INTAKE_LATE;
	if (ready > 0 && p[1].revents == 0)
		n = recv(in->conn->fd, in->page, sizeof in->page, MSG_DONTWAIT);
	if (n <= 0)
		return INTAKE_BAD;
	in->ready = span_make(in->page, (size_t)n);
	return INTAKE_DATA;
}

/* Takes n bytes of what is ready; those from conn->in are counted, those behind them in the page are kept for the next request. */
static void take(struct intake *in, size_t n)
{
	if (!from_page(in))
		in->consumed += n;
	in->ready = span_from(in->ready, n);
}

static enum intake_step finish(struct intake *in)
{
	in->framing = MESSAGE_NO_BODY;
	return INTAKE_END;
}

struct span intake_beyond(const struct intake *in)
{
	return from_page(in) ? in->ready : span_make(NULL, 0);
}

static enum intake_step next_chunk(struct intake *in, struct span *data)
{
	enum intake_step got;
	for (;;) {
		struct span rest = in->ready;
		enum chunked_step step = chunked_next(&in->chunks, &rest, data);
		take(in, in->ready.len - rest.len);
		switch (step) {
		case CHUNKED_DATA:
			return INTAKE_DATA;
		case CHUNKED_END:
			return finish(in);
		case CHUNKED_BAD:
			return INTAKE_BAD;
		case CHUNKED_MORE:
			if ((got = receive(in)) != INTAKE_DATA)
				return got;
		}
	}
}

enum intake_step intake_next(struct intake *in, struct span *data)
{
	if (in->framing == MESSAGE_CHUNKED)
		return next_chunk(in, data);
	if (in->framing == MESSAGE_NO_BODY || in->left == 0)
		return finish(in);
	enum intake_step got = in->ready.len == 0 ? receive(in) : INTAKE_DATA;
	if (got != INTAKE_DATA)
		return got;
	size_t n = (uint64_t)in->left < in->ready.len ? (size_t)in->left : in->ready.len;
	*data = span_make(in->ready.at, n);
	take(in, n);
	in->left -= (int64_t)n;
	return INTAKE_DATA;
}
