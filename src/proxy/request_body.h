/*
 * request_body: reads a request body from its connection and removes the framing (RFC 9112 6).
 *
 * The bytes that follow the head in conn->in are read first, then the socket. Each wait ends after --body-timeout. It
 * belongs to one thread at a time: the one that serves the request, or the one that relays the body (body_relay.h).
 */
#ifndef CURLEW_PROXY_REQUEST_BODY_H
#define CURLEW_PROXY_REQUEST_BODY_H

#include "http/chunked.h"
#include "http/framing.h"
#include "http/message.h"
#include "net/conn.h"

enum { REQUEST_BODY_PAGE = 32 << 10 };

struct request_body {
	struct conn *conn;
	enum framing framing;
	int64_t left; /* bytes still to come, with FRAMING_LENGTH */
	struct chunked chunks;
	int stop_fd;       /* an eventfd: readable when nobody wants the rest of the body; -1: nobody can say so */
	struct span ready; /* received and not yet returned: first in conn->in, then in `page` */
	size_t consumed;   /* how many bytes of conn->in, after the head, were body */
	char *page;        /* allocated when a byte must be received */
};

enum request_body_step {
	REQUEST_BODY_DATA, /* a piece is in *data, valid until the next call */
	REQUEST_BODY_END,  /* the body is complete */
	REQUEST_BODY_BAD,  /* malformed, broken off or stopped: the connection cannot be used again */
	REQUEST_BODY_LATE  /* the next piece did not arrive in time: the same */
};

/* head_bytes: the length of the head at the front of conn->in. conn->in must not change until request_body_fini(). */
void request_body_init(struct request_body *, struct conn *, size_t head_bytes, enum framing, int64_t length);
void request_body_fini(struct request_body *);
/* True when the whole body is in memory: reading it cannot block. */
bool request_body_is_here(const struct request_body *);
/* Reads the next piece. Blocks. */
enum request_body_step request_body_next(struct request_body *, struct span *data);
/* Bytes that were received after the end of the body and are not in conn->in: they belong to the next request. */
struct span request_body_beyond(const struct request_body *);

#endif
