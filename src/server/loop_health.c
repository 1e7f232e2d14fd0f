#include "server/loop_health.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/date.h"
#include "http/status.h"
#include "proxy/health.h"
#include "proxy/options.h"
#include "proxy/server_names.h"
#include "server/loop_log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

enum { RESPONSE_BYTES = 512 };

bool loop_health_is(const struct loop *l, const struct request_scan *scan)
{
	return span_is(scan->target, HEALTH_TARGET) && !scan->browser && !scan->proxied &&
	       server_names_site(l->options->conf, scan->host).at == NULL;
}

enum loop_hit_outcome loop_health_respond(
    struct loop *l, struct conn *c, const struct request_scan *scan, struct span bytes, bool keeps)
{
	char date[DATE_BYTES], response[RESPONSE_BYTES];
	struct health now = health_now(c->context, atomic_load_explicit(c->draining, memory_order_relaxed));
	const char *connection = keeps ? scan->minor == 0 ? "Connection: keep-alive\r\n" : "" : "Connection: close\r\n";
	date_format(l->now, date);
	int n = snprintf(response, sizeof response,
	    "HTTP/1.1 %d %s\r\n"
	    "Date: %s\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Cache-Control: no-store\r\n"
	    "Content-Length: %zu\r\n"
	    "%s"
	    "\r\n%s",
	    now.status, status_reason(now.status), date, strlen(now.line), connection, scan->head ? "" : now.line);
	ssize_t sent = send(c->fd, response, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent != n) /* so few bytes do not fit: the client reads nothing */
		return LOOP_HIT_GONE;
	stats_add(STATS_REQUESTS, 1);
	if (log_access_wanted()) {
		const struct loop_log line = {
		    .status = now.status, .body_bytes = scan->head ? 0 : (int64_t)strlen(now.line), .verdict = "own"};
		loop_log_request(c, bytes, &line, l->now);
	}
	return keeps ? LOOP_HIT_SENT : LOOP_HIT_LAST;
}
