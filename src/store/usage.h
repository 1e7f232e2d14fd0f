/*
 * usage: hits, misses and refusals, gathered in memory and written in batches, so that a response does not cost a
 * write. They are lost with the process, and dropped when the index cannot take them: they are statistics. Any thread
 * may call.
 */
#ifndef CURLEW_STORE_USAGE_H
#define CURLEW_STORE_USAGE_H

#include "index/writer.h"

#include <stdint.h>

struct usage;

struct usage *usage_new(struct writer *);
void usage_free(struct usage *);

void usage_hits(struct usage *, int64_t id, int64_t hits, int64_t used_at);
void usage_refusal(struct usage *, const char *url, const char *reason, int status, int64_t at);
/* Queues what was gathered: all of it, or only as many hits as one tick may write. */
void usage_flush(struct usage *, bool all);

/* bytes: of a body that the origin sent for the URL. at: Unix seconds. */
void usage_miss(struct usage *, const char *url, int64_t bytes, int64_t at);

#endif
