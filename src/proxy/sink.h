/*
 * sink: the receiver of a response: a client's socket (http1_writer.c), or the standard output of `curlew get`
 * (verbs/get.c). The name is that of the pattern source and sink: bytes go in, nothing comes out.
 *
 * The order of calls: interim() any number of times, begin() once, bytes() and file() any number of times, then end().
 * If the body breaks off, cut() takes the place of end(), and the response will not look complete. Each function
 * returns 0, or -1 when the receiver is gone; after that only gone() is useful.
 *
 * All calls come from the thread that serves the request, except go_on(), which any thread may call.
 */
#ifndef CURLEW_PROXY_SINK_H
#define CURLEW_PROXY_SINK_H

#include "http/response_head.h"

struct sink {
	int (*interim)(struct sink *, int status, struct span fields); /* a 1xx response */
	int (*begin)(struct sink *, const struct response_head *);
	int (*bytes)(struct sink *, const char *bytes, size_t n);
	int (*file)(struct sink *, int fd, int64_t at, int64_t n);
	int (*flush)(struct sink *); /* nothing more for a while: send what is buffered */
	int (*end)(struct sink *, struct span trailers);
	void (*cut)(struct sink *);
	bool (*gone)(void *sink);
	void (*go_on)(struct sink *); /* the request body is wanted: sends 100 (Continue), unless begin() came first */
};

#endif
