/*
 * answer: the sink that is a client's socket: an answer in HTTP/1.1 framing (RFC 9112 6, 7), written with blocking
 * calls.
 *
 * Belongs to the worker that answers. 100 (Continue) may come from the thread that reads the request body.
 */
#ifndef CURLEW_PROXY_HTTP1_WRITER_H
#define CURLEW_PROXY_HTTP1_WRITER_H

#include "proxy/sink.h"

#include <pthread.h>

struct http1_writer {
	struct sink sink;
	int fd;
	bool local;       /* the client is on this machine */
	int client_minor; /* HTTP/1.minor of the client */
	bool keep;        /* the connection may go on after this answer; read it again after end() */
	bool failed;      /* the client is gone or an answer broke off: close */
	bool chunked;
	bool until_close; /* the end of the connection is the end of the body */
	bool cut;         /* it broke off */
	bool bodiless;
	int status; /* of the head begun; 0 before */
	int64_t body_sent;
	pthread_mutex_t lock; /* begun: between go_on() and begin() */
	bool begun;
	struct buf out; /* begun and not yet written: heads and chunk framing */
};

void http1_writer_init(struct http1_writer *, int fd, bool local, int client_minor, bool keep);
void http1_writer_fini(struct http1_writer *);

#endif
