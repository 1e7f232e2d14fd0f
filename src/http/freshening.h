/*
 * freshening: which stored response a 304 or a response to HEAD confirms (RFC 9111 4.3.4, 4.3.5).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_FRESHENING_H
#define CURLEW_HTTP_FRESHENING_H

#include "http/message.h"

#include <stdbool.h>
#include <stdint.h>

/* True when the 304 is about this stored response: none of its validators contradicts a stored one (4.3.4). When false,
 * the request must be sent again without conditions. */
bool freshening_applies(const struct head *not_modified, const struct head *stored);

/* A 200 to HEAD, compared with a stored response to GET (4.3.5). True: it freshens the stored response as a 304 would.
 * False: GET would now bring something else. stored_bytes: the length of the stored body. */
bool freshening_head_applies(const struct head *head_response, const struct head *stored, int64_t stored_bytes);

#endif
