/*
 * compressed: what --compress means for responses: which of them say that they depend on Accept-Encoding, and which
 * compressed copy of a stored response is sent.
 */
#ifndef CURLEW_PROXY_COMPRESSED_H
#define CURLEW_PROXY_COMPRESSED_H

#include "proxy/exchange.h"

/* True when a response that is stored may have compressed copies. *in_vary: its Vary says so already. Always false
 * without --compress. body_bytes: -1 when it is not known. */
bool compressed_suits(const struct context *, int status, struct span fields, int64_t body_bytes, bool *in_vary);
/* The coding in which the request wants a copy of such responses. NONE without --compress. */
enum compression compressed_wanted(const struct context *, const struct head *request);

/* The copy to send for this request; NULL: the original. fields: its field lines, for the caller to free. If the
 * request would rather have a copy that is not stored yet, asks for it to be made. */
const struct entry *compressed_choose(const struct exchange *, const struct entry *original, struct buf *fields);

#endif
