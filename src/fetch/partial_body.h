/*
 * partial_body: stored parts of one body, open for reading, and the hole between them that a fetch may fill (RFC
 * 9111 3.3, 3.4). Knows nothing of flights.
 *
 * It never changes once it is made. So any number of threads may read it, as long as its owner does not free it. The
 * descriptors are its own: the parts may be evicted meanwhile.
 */
#ifndef CURLEW_FETCH_PARTIAL_BODY_H
#define CURLEW_FETCH_PARTIAL_BODY_H

#include "http/message.h"
#include "store/store.h"

/* Some consecutive bytes of the body, in the file of one part. */
struct partial_body_segment {
	int64_t at; /* offset in the body */
	int64_t n;
	int64_t offset; /* the same place in the file */
	int fd;
};

struct partial_body {
	struct entry *of;                      /* the response that the parts belong to */
	int64_t whole_bytes;                   /* -1: not known */
	int64_t hole_first;                    /* the first byte that is missing */
	int64_t hole_last;                     /* the last one; -1: up to the end, wherever that is */
	struct partial_body_segment *segments; /* in order and without a gap, but for the hole */
	size_t count;
};

/* The parts that a fetch of the whole body need not transfer again; NULL: there are none, or no memory. If no byte is
 * missing, the hole is the last byte: the response to that request proves that the parts are still current. */
struct partial_body *partial_body_to_complete(struct store *, const struct index_parts *);
/* Bytes first to last (inclusive), all of which must be stored; the hole is empty and begins after them. NULL: a part
 * has lost its file, or no memory. */
struct partial_body *partial_body_of_range(struct store *, const struct index_parts *, int64_t first, int64_t last);
void partial_body_free(struct partial_body *);

/* The segment with byte `at` of the body; NULL: that byte is not here. */
const struct partial_body_segment *partial_body_find(const struct partial_body *, int64_t at);
/* Adds the Range and If-Range lines that request the hole. 0, or -1: they do not fit. */
int partial_body_fields(const struct partial_body *, int64_t now, struct buf *out);
/* True when this 206 fills the hole with bytes of the same representation (RFC 9110 15.3.7.3). *whole_bytes is set to
 * the length of the whole body. */
bool partial_body_fits(const struct partial_body *, const struct head *response, int64_t now, int64_t *whole_bytes);

/* Adds a Range line for bytes first to last (-1: to the end), and an If-Range line with the validator unless that is
 * empty. 0, or -1: they do not fit. */
int partial_body_add_range(struct buf *out, int64_t first, int64_t last, struct span validator);
/* True when the response is a 206 with exactly bytes first to last (-1: to the end) of a body with this validator and
 * this length. *whole_bytes: the length, or -1 when it is not known; then it is set. */
bool partial_body_matches(const struct head *response, int64_t now, int64_t first, int64_t last, int64_t *whole_bytes,
    struct span validator, bool is_tag);

#endif
