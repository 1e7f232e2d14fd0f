/*
 * usage: hits and refusals, gathered in memory and written in batches, because an answer must not cost a write. What is
 * gathered is lost with the process, and dropped when the index cannot take it: these are statistics. Any thread may
 * call.
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
/* Queues what has been gathered: all of it, or of hits what the pace allows (then for every tick). */
void usage_flush(struct usage *, bool all);

/* Bytes that came from the origin for a URL. */
void usage_miss(struct usage *, const char *url, int64_t bytes, int64_t at);

#endif
