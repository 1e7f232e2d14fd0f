/*
 * request_scan: a quick look at a request: is it one of the plain kind that a ready answer satisfies? Pure.
 *
 * It accepts less than message_parse_request() and nothing that would be answered otherwise there: GET or HEAD in
 * HTTP/1.1, CRLF line ends, one Host, no field that asks for thought (conditions, ranges, directives, a body, an end of
 * the connection).
 */
#ifndef CURLEW_HTTP_REQUEST_SCAN_H
#define CURLEW_HTTP_REQUEST_SCAN_H

#include "base/span.h"

struct request_scan {
	struct span target, host;
	size_t bytes; /* of the whole head */
	bool head;    /* the method is HEAD */
	bool browser; /* it has Origin or a Sec-Fetch- field: by prefix it asks for thought */
};

enum request_scan_verdict {
	REQUEST_SCAN_PLAIN,
	REQUEST_SCAN_OTHER /* not plain, or not whole: to be parsed in earnest */
};

enum request_scan_verdict request_scan(struct span bytes, struct request_scan *);

#endif
