/*
 * chunked: the chunked transfer coding (RFC 9112 7.1), decoded step by step, from input in pieces of any size.
 *
 * Pure. Extensions are skipped, trailer fields are kept (as field lines) up to a ceiling. Strict: a chunk size
 * has 1 to 15 hex digits, lines end in CRLF, chunk data is followed by CRLF.
 */
#ifndef CURLEW_HTTP_CHUNKED_H
#define CURLEW_HTTP_CHUNKED_H

#include "base/buf.h"
#include "base/span.h"

#include <stdint.h>

enum chunked_step {
	CHUNKED_MORE, /* the input is used up */
	CHUNKED_DATA, /* a piece of content in *data; call again */
	CHUNKED_END,  /* the last chunk and the trailers are read; *in starts after them */
	CHUNKED_BAD   /* not chunked coding; the message is broken */
};

struct chunked {
	int state;           /* private */
	uint64_t left;       /* private: bytes of the chunk still to come */
	unsigned digits;     /* private */
	size_t extension;    /* private: bytes of chunk extension seen, bounded */
	struct buf trailers; /* "Name: value\r\n" lines as received; complete at CHUNKED_END */
};

void chunked_init(struct chunked *);
void chunked_fini(struct chunked *);
/* One step: takes bytes from the front of *in (advancing it). *data borrows from the input. */
enum chunked_step chunked_next(struct chunked *, struct span *in, struct span *data);

#endif
