/*
 * deliver: sends a complete representation in response to GET or HEAD.
 *
 * It evaluates the request's conditions (RFC 9110 13) and ranges (RFC 9110 14), so the response is 200, 206, 304 or
 * 416.
 */
#ifndef CURLEW_PROXY_DELIVER_H
#define CURLEW_PROXY_DELIVER_H

#include "proxy/representation.h"

/* Sends the response. Returns what the sink returns. */
int deliver_respond(struct exchange *, const struct representation *);

/* True when this client must not receive the Set-Cookie fields of a response that another client's request fetched. */
bool deliver_withholds_cookies(const struct exchange *, int status);

/* The Location value for this client; NULL: leave the field as it is. The caller frees it. */
char *deliver_location(const struct exchange *, int status, struct span fields);

#endif
