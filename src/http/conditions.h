/*
 * conditions: the conditions of a request, judged for a representation (RFC 9110 13).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_CONDITIONS_H
#define CURLEW_HTTP_CONDITIONS_H

#include "http/message.h"

#include <stdbool.h>
#include <stdint.h>

enum conditions_verdict {
	CONDITIONS_GO_ON,       /* send the representation */
	CONDITIONS_NOT_MODIFIED /* send 304 */
};
/* If-None-Match, else If-Modified-Since, of a GET or HEAD, judged for a stored 200 response. */
enum conditions_verdict conditions_judge(const struct head *request, const struct head *response, int64_t now);

/* For curlew's own files, not for a response of an origin: true when the representation does not meet If-Match, else
 * If-Unmodified-Since. The response is then 412. */
bool conditions_precondition_fails(const struct head *request, const struct head *response, int64_t now);

/* True when the request has no If-Range, or one that allows a range of that response. */
bool conditions_range_applies(const struct head *request, const struct head *response, int64_t now);

/* The strong validator by which parts of a response may be joined (RFC 9110 8.8.1, 8.8.2.2): the ETag if it is strong.
 * A response without an ETag has its Last-Modified, if that is at least one second before its Date. {NULL, 0}: none.
 * *is_tag: it is the ETag. */
struct span conditions_strong_validator(const struct head *response, int64_t now, bool *is_tag);

#endif
