/*
 * status: the reason phrase of a status code (RFC 9110 15). Pure.
 */
#ifndef CURLEW_HTTP_STATUS_H
#define CURLEW_HTTP_STATUS_H

/* "" for a code that is not registered. */
const char *status_reason(int code);

#endif
