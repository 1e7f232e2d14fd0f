/*
 * sink: where an answer goes: a client's socket (http1_writer.c) or the standard output of `curlew get` (verbs/get.c).
 *
 * Each function returns 0, or -1 when the receiver is gone, after which only gone() makes sense. begin() once, then
 * bytes() and file() as often as it takes, then end(), or cut() when the body broke off and must not look whole.
 */
#ifndef CURLEW_PROXY_SINK_H
#define CURLEW_PROXY_SINK_H

#include "http/response_head.h"

struct sink {
	int (*interim)(struct sink *, int status, struct span fields);
	int (*begin)(struct sink *, const struct response_head *);
	int (*bytes)(struct sink *, const char *bytes, size_t n);
	int (*file)(struct sink *, int fd, int64_t at, int64_t n);
	int (*flush)(struct sink *); /* nothing more for a while: what was begun goes out now */
	int (*end)(struct sink *, struct span trailers);
	void (*cut)(struct sink *);
	bool (*gone)(void *sink);
	void (*go_on)(struct sink *); /* the request body is wanted: 100 (Continue), unless begin() came first */
};

#endif
