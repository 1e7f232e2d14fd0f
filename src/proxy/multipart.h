/*
 * multipart: several ranges in one response, as multipart/byteranges (RFC 9110 14.6).
 */
#ifndef CURLEW_PROXY_MULTIPART_H
#define CURLEW_PROXY_MULTIPART_H

#include "proxy/representation.h"

/* Sends the response. r: the response head, begun by the caller; this function completes it. type: the Content-Type of
 * the representation, {NULL, 0} if it has none. Returns what the sink returns. */
int multipart_respond(struct exchange *, const struct representation *, struct response_head *r, struct span type,
    const struct range *ranges, size_t count);

#endif
