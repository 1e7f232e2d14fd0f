/*
 * framing: how the body after a head is framed (RFC 9112 6).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_FRAMING_H
#define CURLEW_HTTP_FRAMING_H

#include "http/message.h"

#include <stdint.h>

enum framing {
	FRAMING_NO_BODY,
	FRAMING_LENGTH,     /* length bytes follow */
	FRAMING_CHUNKED,    /* chunked coding follows */
	FRAMING_UNTIL_CLOSE /* responses only */
};

/* The framing of a request. 0, or -1 with fault: 400 for Content-Length together with Transfer-Encoding and for
 * differing or malformed lengths, 501 for a transfer coding other than chunked. */
int framing_of_request(const struct head *, enum framing *, int64_t *length, struct fault *);
/* The same for a response to `method` (status and fields in head). Identical repeated lengths are one. Under a
 * Transfer-Encoding of unknown names the body ends with the connection, or is chunked when chunked is the last name.
 * 502 as fault: a compression, which curlew never requests; chunked anywhere but last; a name that is malformed (RFC
 * 9112 6.1, 7). */
int framing_of_response(const struct head *, struct span method, enum framing *, int64_t *length, struct fault *);

#endif
