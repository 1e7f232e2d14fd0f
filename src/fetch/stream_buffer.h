/*
 * stream_buffer: the bytes of an arriving body that are in memory: consecutive segments, from offset `start` to offset
 * `end` of the body.
 *
 * Locks: none of its own. The lock of its owner guards every call that takes a struct stream_buffer. A segment that
 * stream_buffer_peek() returned may be read without that lock until stream_buffer_drop(), even after it has left the
 * buffer: bytes never change once they are written, and appending writes after them only.
 */
#ifndef CURLEW_FETCH_STREAM_BUFFER_H
#define CURLEW_FETCH_STREAM_BUFFER_H

#include "base/span.h"

#include <stdatomic.h>
#include <stdint.h>

struct stream_buffer_segment {
	atomic_uint refs; /* one for the buffer, one for each peek; the last one frees it, on any thread */
	int64_t at;       /* offset in the body of its first byte; fixed */
	size_t len, cap;  /* len: under the owner's lock */
	struct stream_buffer_segment *next; /* under the owner's lock */
	char bytes[];
};

/* All zero: empty, at the beginning of the body. */
struct stream_buffer {
	struct stream_buffer_segment *first, *last;
	int64_t start, end;
};

/* Appends. expected: the length of the whole body, or -1 when it is not known. 0, or -1: no memory; then nothing was
 * appended. */
int stream_buffer_add(struct stream_buffer *, const char *bytes, size_t n, int64_t expected);
/* The bytes from offset `at` to the end of their segment. *segment is the caller's reference to it, to be dropped.
 * {NULL, 0} when the byte is not in memory; then *segment is not set. */
struct span stream_buffer_peek(const struct stream_buffer *, int64_t at, struct stream_buffer_segment **segment);
/* Gives a reference up. Any thread, with or without the lock. NULL is fine. */
void stream_buffer_drop(struct stream_buffer_segment *);
/* Removes the segments that end at or before offset `at`. */
void stream_buffer_forget(struct stream_buffer *, int64_t at);
void stream_buffer_fini(struct stream_buffer *);

#endif
