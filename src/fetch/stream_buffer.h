/*
 * window: the part of an arriving body that is in memory: consecutive pieces, from `start` to `end` (offsets in the
 * body).
 *
 * No locks: the owner's lock guards it. A piece taken by stream_buffer_peek may be read without the lock until
 * segment_drop(), also after it has left the window: bytes once written never change.
 */
#ifndef CURLEW_FETCH_STREAM_BUFFER_H
#define CURLEW_FETCH_STREAM_BUFFER_H

#include "base/span.h"

#include <stdatomic.h>
#include <stdint.h>

struct segment {
	atomic_uint refs;
	int64_t at; /* offset of its first byte */
	size_t len, cap;
	struct segment *next;
	char bytes[];
};

struct stream_buffer {
	struct segment *first, *last;
	int64_t start, end;
};

/* Appends. expected: how many bytes the whole body is known to have, or -1. 0, or -1: memory (then nothing was added).
 */
int stream_buffer_add(struct stream_buffer *, const char *bytes, size_t n, int64_t expected);
/* The bytes held from offset at on, up to the end of their piece; *piece is held for the caller. {NULL,0} when not in
 * memory. */
struct span stream_buffer_peek(const struct stream_buffer *, int64_t at, struct segment **piece);
void segment_drop(struct segment *);
/* Forgets pieces that end at or before offset at. */
void stream_buffer_forget(struct stream_buffer *, int64_t at);
void stream_buffer_fini(struct stream_buffer *);

#endif
