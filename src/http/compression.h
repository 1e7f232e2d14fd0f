/*
 * compression: which stored responses get compressed copies (--compress), which copy a request gets, and the fields of
 * one.
 *
 * A copy has the same meaning as its original in other bytes (RFC 9110 8.4), so its entity tag is the weak form of the
 * original's, and nothing that counts or sums the original's bytes is kept. Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_COMPRESSION_H
#define CURLEW_HTTP_COMPRESSION_H

#include "http/message.h"

enum { COMPRESSION_LEAST = 1024 }; /* a smaller body is not worth it */

enum compression {
	COMPRESSION_NONE, /* the original */
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_BROTLI, /* of equal weights, the last one is chosen: it is the smallest */
	COMPRESSIONS
};

/* The name of a coding, as in Content-Encoding. */
const char *compression_name(enum compression);
/* The coding of such a response; NONE: it has none of these. */
enum compression compression_of(const struct head *response);

/* True of a response that may have copies: a text type that is not compressed, without no-transform (RFC 9111
 * 5.2.2.6). body_bytes: -1 when it is not known yet. */
bool compression_suits(const struct head *response, int64_t body_bytes);
/* The coding that the request prefers of those whose bit (1 << coding) is in `known`. NONE: it prefers the original,
 * or asks for a range, or forbids to transform (RFC 9111 5.2.1.6). */
enum compression compression_choose(const struct head *request, unsigned known);
/* Writes the field lines of the copy of a response, one a line. 0, or -1: no memory. */
int compression_fields(const struct head *original, enum compression, struct buf *out);
/* The entity tag of the copy, for the caller to free. NULL: no memory. */
char *compression_tag(const char *etag);
/* True when Vary of the response lists Accept-Encoding, or is "*". */
bool compression_is_in_vary(const struct head *response);

#endif
