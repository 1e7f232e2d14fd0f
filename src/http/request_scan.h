/*
 * request_scan: a fast check: is this request plain enough for a hit from memory? Pure.
 *
 * A plain request is GET or HEAD with CRLF line ends and one Host (HTTP/1.0: at most one), and without a field that
 * needs a decision (conditions, ranges, directives, a body). message_parse_request() reads every plain request alike.
 */
#ifndef CURLEW_HTTP_REQUEST_SCAN_H
#define CURLEW_HTTP_REQUEST_SCAN_H

#include "base/span.h"

struct request_scan {
	struct span target, host;
	struct span credentials; /* the value of Proxy-Authorization */
	size_t bytes;            /* of the whole head */
	int minor;               /* HTTP/1.minor: 0 or 1 */
	bool head;               /* the method is HEAD */
	bool proxied;            /* it came through another proxy (forwarded_is()) */
	bool browser;            /* it has Origin or a Sec-Fetch- field: at a prefix it needs a decision */
	bool codes;              /* it has Accept-Encoding */
	bool close, keep_alive;  /* members of Connection */
	bool keeps;              /* the connection may carry another request: as message_keeps_alive() says */
};

enum request_scan_verdict {
	REQUEST_SCAN_PLAIN,
	REQUEST_SCAN_OTHER /* not plain, or not complete: it must be parsed */
};

enum request_scan_verdict request_scan(struct span bytes, struct request_scan *);

#endif
