/* encoder: the bytes of a file in another content coding, in memory. Knows nothing of responses. Any thread. */
#ifndef CURLEW_FETCH_ENCODER_H
#define CURLEW_FETCH_ENCODER_H

#include "http/compression.h"

#include <stdatomic.h>

struct encoded {
	char *bytes; /* the caller frees it */
	size_t n;
};

/* Compresses n bytes of fd. 0, or -1: the result would not be smaller, `stop` became true, or memory or the file
 * failed; then there are no bytes. Takes about 20 ms for a MiB. */
int encoder_run(int fd, int64_t n, enum compression, const atomic_bool *stop, struct encoded *);

#endif
