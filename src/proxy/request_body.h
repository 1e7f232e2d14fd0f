/*
 * intake: a request's body, read from its connection without its framing (RFC 9112 6).
 *
 * First what stands behind the head in conn->in, then the socket, each wait bounded by --body-timeout. Belongs to one
 * thread.
 */
#ifndef CURLEW_PROXY_REQUEST_BODY_H
#define CURLEW_PROXY_REQUEST_BODY_H

#include "http/chunked.h"
#include "http/framing.h"
#include "http/message.h"
#include "net/conn.h"

struct request_body {
	struct conn *conn;
	enum framing framing;
	int64_t left;
	struct chunked chunks;
	double timeout_s;
	int stop_fd;       /* becomes readable when nobody wants the rest; -1: there is none */
	struct span ready; /* received and not yet looked at: behind the head, then in `page` */
	size_t consumed;   /* bytes of conn->in that were body */
	char page[32 << 10];
};

enum request_body_step {
	REQUEST_BODY_DATA, /* a piece in *data, good until the next call */
	REQUEST_BODY_END,  /* the body is whole */
	REQUEST_BODY_BAD,  /* malformed or broken off: the connection is of no more use */
	REQUEST_BODY_LATE  /* the next piece did not come in time: likewise */
};

/* head_bytes: length of the head at the front of conn->in. */
void request_body_init(
    struct request_body *, struct conn *, size_t head_bytes, enum framing, int64_t length, double timeout_s);
void request_body_fini(struct request_body *);
/* True when the whole body stands in memory already, so that reading it cannot wait. */
bool request_body_is_here(const struct request_body *);
enum request_body_step request_body_next(struct request_body *, struct span *data);
/* What was received beyond the body's end and is not in conn->in: it belongs to the next request. */
struct span request_body_beyond(const struct request_body *);

#endif
