/*
 * http1_writer: the sink for a client's socket: writes one response in HTTP/1.1 framing (RFC 9112 6, 7), with blocking
 * calls.
 *
 * It belongs to the thread that serves the request, except for sink.go_on(): the thread that reads the request body may
 * call it, at any time before http1_writer_fini().
 */
#ifndef CURLEW_PROXY_HTTP1_WRITER_H
#define CURLEW_PROXY_HTTP1_WRITER_H

#include "proxy/sink.h"

#include <pthread.h>

enum { HTTP1_WRITER_UNSENT = 512 << 10 }; /* the most that is kept unsent; more fails the response */

struct client_limit;

struct http1_writer {
	struct sink sink;
	int fd;
	bool blocks;      /* else what the socket does not take at once is kept in `unsent` */
	bool local;       /* the client is on this machine */
	int client_minor; /* HTTP/1.minor of the client */
	bool keep;        /* the connection may carry another request; final after end() */
	bool failed;      /* the client is gone, or the response broke off: close the connection */
	bool chunked;     /* the body is framed in chunks */
	bool until_close; /* the end of the connection is the end of the body */
	bool cut;         /* the response broke off */
	bool bodiless;    /* the response has no body, whatever the sink is given */
	bool keeps_tags;  /* as in the final head: trailers may be Surrogate-Key, Cache-Tag and xkey */
	int status;       /* of the final head; 0: not begun */
	int64_t body_sent;
	struct client_limit *limit; /* the client's share of bytes; NULL: none */
	int64_t bandwidth;          /* bytes a second; 0: no limit */
	pthread_mutex_t lock;       /* protects `begun`: go_on() must not send 100 after begin() */
	bool begun;
	struct buf out;    /* not yet sent: heads and chunk framing */
	struct buf unsent; /* the end of the response, which the socket did not take */
};

/* keep: the request allows the connection to persist. fd stays the caller's. */
void http1_writer_init(struct http1_writer *, int fd, bool local, int client_minor, bool keep);
void http1_writer_fini(struct http1_writer *);

#endif
