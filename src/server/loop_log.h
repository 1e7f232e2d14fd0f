/* loop_log: the access log lines of responses that a loop sends itself. */
#ifndef CURLEW_SERVER_LOOP_LOG_H
#define CURLEW_SERVER_LOOP_LOG_H

#include "server/loop_state.h"

/* What the loop has sent. */
struct loop_log {
	int status;
	int64_t body_bytes;
	const char *verdict;
	int64_t took_us;
};

/* Writes the line of the request that `bytes` begins with, if its head is complete. Call it only if
 * log_access_wanted(): the head is parsed for it. A loop's thread, or the owner of the connection. */
void loop_log_request(const struct conn *, struct span bytes, const struct loop_log *, int64_t now);

#endif
