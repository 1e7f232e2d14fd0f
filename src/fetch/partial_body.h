/*
 * reserve: stored parts of a body, open for reading, and the hole between them that a fetch may fill (RFC 9111 3.4).
 *
 * Read-only once made; whoever holds it may read. Knows nothing of flights.
 */
#ifndef CURLEW_FETCH_PARTIAL_BODY_H
#define CURLEW_FETCH_PARTIAL_BODY_H

#include "http/message.h"
#include "store/store.h"

struct partial_body_segment {
	int64_t at; /* in the body */
	int64_t n;
	int64_t skip; /* where that is in the file */
	int fd;
};

struct partial_body {
	struct entry *of;    /* the response they are parts of */
	int64_t whole_bytes; /* -1: not known */
	int64_t hole_first;
	int64_t hole_last;                   /* inclusive; -1: to the end, wherever that is */
	struct partial_body_segment *pieces; /* in order: up to the hole without a gap, then behind it */
	size_t count;
};

/* What a fetch of the whole body can spare itself: NULL when it is nothing. Where everything is there the hole is the
 * last byte, whose answer proves that the parts are still the origin's. */
struct partial_body *partial_body_to_complete(struct store *, const struct index_parts *);
/* All of bytes first to last (inclusive), which must be covered; the hole is empty (hole_first behind last). NULL: a
 * part has lost its file, or memory. */
struct partial_body *partial_body_of_range(struct store *, const struct index_parts *, int64_t first, int64_t last);
void partial_body_free(struct partial_body *);

/* The piece with byte `at` of the body; NULL when it is not here. */
const struct partial_body_segment *partial_body_find(const struct partial_body *, int64_t at);
/* The Range and If-Range lines that ask for the hole. 0, or -1. */
int partial_body_fields(const struct partial_body *, int64_t now, struct buf *out);
/* Does this 206 fill the hole, of the same representation (RFC 9110 15.3.7.3)? *whole_bytes: what it says, where it was
 * not known. */
bool partial_body_fits(const struct partial_body *, const struct head *response, int64_t now, int64_t *whole_bytes);

/* A Range line for what follows byte first (to last, -1: the end) and the If-Range line of that validator, "" for none.
 */
int partial_body_ask(struct buf *out, int64_t first, int64_t last, struct span validator);
/* The 206 begins at first, ends at last (-1: at the end), and belongs to a whole of that size (-1: not known) with that
 * validator. */
bool partial_body_answers(const struct head *response, int64_t now, int64_t first, int64_t last, int64_t *whole_bytes,
    struct span validator, bool is_tag);

#endif
