/*
 * request_directives: what a request says about caching (RFC 9111 5.2.1, 5.4; RFC 5861 4).
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_REQUEST_DIRECTIVES_H
#define CURLEW_HTTP_REQUEST_DIRECTIVES_H

#include "http/message.h"

#include <stdbool.h>
#include <stdint.h>

struct request_directives {
	bool no_cache; /* also from Pragma, when there is no Cache-Control */
	bool no_store;
	bool only_if_cached;
	int64_t max_age_s;        /* -1: absent */
	int64_t min_fresh_s;      /* -1: absent */
	int64_t max_stale_s;      /* -1: absent; INT64_MAX: present without a number */
	int64_t stale_if_error_s; /* -1: absent */
};
void request_directives_read(const struct head *request, struct request_directives *);

#endif
