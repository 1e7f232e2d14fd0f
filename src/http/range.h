/*
 * range: byte ranges (RFC 9110 14). Pure.
 */
#ifndef CURLEW_HTTP_RANGE_H
#define CURLEW_HTTP_RANGE_H

#include "base/span.h"
#include "http/message.h"

#include <stddef.h>
#include <stdint.h>

enum {
	RANGE_MAX = 256,      /* ranges in one response; for more, the whole body is sent (RFC 9110 14.2) */
	RANGE_DISORDERED = 16 /* so many may come in any order; more must ascend and not overlap */
};

struct range {
	int64_t first;
	int64_t last; /* inclusive */
};

enum range_verdict {
	RANGE_IGNORE,       /* malformed, another unit, or too many or overlapping: send 200 */
	RANGE_SOME,         /* ranges[0..*count) are satisfiable, in the order of the request */
	RANGE_UNSATISFIABLE /* send 416 with Content-Range: bytes * / size */
};

/* Resolves a Range value against a body of body_bytes. */
enum range_verdict range_resolve(struct span value, int64_t body_bytes, struct range ranges[RANGE_MAX], size_t *count);

/* The first byte of the single range "bytes=first-last" or "bytes=first-"; -1: there are several ranges or none, or it
 * counts from the end. */
int64_t range_first(struct span value);

/* Reads "bytes first-last/complete" (complete -1 when "*"). 0, or -1 when malformed. */
int range_parse_content_range(struct span value, struct range *, int64_t *complete);
/* Reads the Content-Range of a response. 0, or -1 when it has none, a malformed one, or lines that differ. */
int range_of_response(const struct head *response, struct range *, int64_t *complete);

#endif
