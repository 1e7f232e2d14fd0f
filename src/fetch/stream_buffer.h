/*
 * window: the part of an arriving body that is in memory: consecutive pieces, from `start` to `end` (offsets in the body).
 *
 * No locks: the owner's lock guards it. A piece taken by window_peek may be read without the lock until piece_drop(), also
 * after it has left the window: bytes once written never change.
 */
#ifndef CURLEW_FETCH_STREAM_BUFFER_H
#define CURLEW_FETCH_STREAM_BUFFER_H

#include "base/span.h"

#include <stdatomic.h>
#include <stdint.h>

struct piece {
	atomic_uint refs;
	int64_t at; /* offset of its first byte */
	size_t len, cap;
	struct piece *next;
	char bytes[];
};

struct window {
	struct piece *first, *last;
	int64_t start, end;
};

/* Appends. expected: how many bytes the whole body is known to have, or -1. 0, or -1: memory (then nothing was added). */
int window_add(struct window *, const char *bytes, size_t n, int64_t expected);
/* The bytes held from offset at on, up to the end of their piece; *piece is held for the caller. {NULL,0} when not in memory. */
struct span window_peek(const struct window *, int64_t at, struct piece **piece);
void piece_drop(struct piece *);
/* Forgets pieces that end at or before offset at. */
void window_forget(struct window *, int64_t at);
void window_fini(struct window *);

#endif
