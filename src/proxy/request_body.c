#include "proxy/request_body.h"

#include "http/framing.h"
#include "proxy/options.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

void request_body_init(struct request_body *in, struct conn *c, size_t head_bytes, enum framing framing, int64_t length)
{
	in->conn = c;
	in->framing = framing;
	in->left = framing == FRAMING_LENGTH ? length : 0;
	in->stop_fd = -1;
	in->ready = span_from(buf_span(&c->in), head_bytes);
	in->consumed = 0;
	in->page = NULL;
	chunked_init(&in->chunks);
}

void request_body_fini(struct request_body *in)
{
	chunked_fini(&in->chunks);
	free(in->page);
}

bool request_body_is_here(const struct request_body *in)
{
	return in->framing == FRAMING_NO_BODY || (in->framing == FRAMING_LENGTH && (uint64_t)in->left <= in->ready.len);
}

static bool from_page(const struct request_body *in)
{
	return in->page != NULL && in->ready.at >= in->page && in->ready.at <= in->page + REQUEST_BODY_PAGE;
}

/* Waits for more bytes. REQUEST_BODY_DATA: they are in `ready`. */
static enum request_body_step receive(struct request_body *in)
{
	struct pollfd p[2] = {{.fd = in->conn->fd, .events = POLLIN}, {.fd = in->stop_fd, .events = POLLIN}};
	double timeout_s = conf_seconds(options_now(in->conn->context)->conf, "body-timeout");
	int ready;
	ssize_t n = -1;
	if (in->page == NULL && (in->page = malloc(REQUEST_BODY_PAGE)) == NULL)
		return REQUEST_BODY_BAD;
	conn_waits(in->conn, MIN_RATE_BODY, true);
	do
		ready = poll(p, 2, (int)(timeout_s * 1000));
	while (ready < 0 && errno == EINTR);
	conn_waits(in->conn, MIN_RATE_BODY, false);
	if (ready == 0)
		return REQUEST_BODY_LATE;
	if (ready > 0 && p[1].revents == 0)
		n = recv(in->conn->fd, in->page, REQUEST_BODY_PAGE, MSG_DONTWAIT);
	if (n <= 0)
		return REQUEST_BODY_BAD;
	in->ready = span_make(in->page, (size_t)n);
	return REQUEST_BODY_DATA;
}

/* Takes n bytes of `ready`. Those from conn->in are counted, so that the caller can consume them there together with
 * the head; `page` is only ours. */
static void take(struct request_body *in, size_t n)
{
	if (!from_page(in))
		in->consumed += n;
	in->ready = span_from(in->ready, n);
}

static enum request_body_step finish(struct request_body *in)
{
	in->framing = FRAMING_NO_BODY;
	return REQUEST_BODY_END;
}

struct span request_body_beyond(const struct request_body *in)
{
	return from_page(in) ? in->ready : span_make(NULL, 0);
}

static enum request_body_step next_chunk(struct request_body *in, struct span *data)
{
	enum request_body_step got;
	for (;;) {
		struct span rest = in->ready;
		enum chunked_step step = chunked_next(&in->chunks, &rest, data);
		take(in, in->ready.len - rest.len);
		switch (step) {
		case CHUNKED_DATA:
			return REQUEST_BODY_DATA;
		case CHUNKED_END:
			return finish(in);
		case CHUNKED_BAD:
			return REQUEST_BODY_BAD;
		case CHUNKED_MORE:
			if ((got = receive(in)) != REQUEST_BODY_DATA)
				return got;
		}
	}
}

enum request_body_step request_body_next(struct request_body *in, struct span *data)
{
	if (in->framing == FRAMING_CHUNKED)
		return next_chunk(in, data);
	if (in->framing == FRAMING_NO_BODY || in->left == 0)
		return finish(in);
	enum request_body_step got = in->ready.len == 0 ? receive(in) : REQUEST_BODY_DATA;
	if (got != REQUEST_BODY_DATA)
		return got;
	size_t n = (uint64_t)in->left < in->ready.len ? (size_t)in->left : in->ready.len;
	*data = span_make(in->ready.at, n);
	take(in, n);
	in->left -= (int64_t)n;
	return REQUEST_BODY_DATA;
}
