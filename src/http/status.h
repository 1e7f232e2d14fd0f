/*
 * status: status codes (RFC 9110 15). Pure.
 */
#ifndef CURLEW_HTTP_STATUS_H
#define CURLEW_HTTP_STATUS_H

#include <stdbool.h>

/* "" for a code that is not registered. */
const char *status_reason(int code);
/* True when a lifetime may be guessed for responses of this status (RFC 9110 15.1). 206 is none of them. */
bool status_is_heuristic(int status);

#endif
