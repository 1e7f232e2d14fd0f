#include "server/loop_refuse.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/date.h"
#include "http/status.h"
#include "server/loop_conns.h"
#include "server/loop_log.h"

#include <stdio.h>
#include <sys/socket.h>

enum { RESPONSE_BYTES = 768 };

void loop_refuse_send(const struct conn *c, struct span bytes, const struct loop_refusal *r)
{
	char date[DATE_BYTES], response[RESPONSE_BYTES], retry[40] = "", cache[80] = "";
	int64_t now = (int64_t)time(NULL);
	struct head h;
	struct fault fault;
	message_init(&h);
	bool whole = message_parse_request(&h, bytes, &fault) == MESSAGE_WHOLE;
	bool bodiless = whole && span_is(h.method, "HEAD");
	date_format(now, date);
	if (r->retry_after_s > 0)
		snprintf(retry, sizeof retry, "Retry-After: %d\r\n", r->retry_after_s); /* RFC 9110 10.2.3 */
	if (r->detail != NULL)
		snprintf(cache, sizeof cache, "Cache-Status: curlew; detail=\"%s\"\r\n", r->detail);
	int n = snprintf(response, sizeof response,
	    "HTTP/1.1 %d %s\r\n"
	    "Date: %s\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "%s"
	    "Cache-Control: no-store\r\n"
	    "%s"
	    "Connection: close\r\n"
	    "\r\n%s",
	    r->status, status_reason(r->status), date, strlen(r->text), retry, cache, bodiless ? "" : r->text);
	send(c->fd, response, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	message_fini(&h);
	const struct loop_log line = {.status = r->status, .verdict = "refused"};
	if (log_access_wanted())
		loop_log_request(c, bytes, &line, now);
}

void loop_refuse(struct loop *l, struct conn *c, struct span bytes, const struct loop_refusal *r)
{
	stats_add(STATS_REQUESTS, 1);
	stats_add(STATS_BAD_REQUESTS, 1);
	loop_refuse_send(c, bytes, r);
	loop_conns_end(l, c, false);
}
