#include "proxy/synthetic.h"

#include "base/printable.h"
#include "base/stats.h"
#include "http/date.h"
#include "proxy/request_body.h"

#include <stdarg.h>
#include <stdio.h>

static int respond(struct exchange *x, int status, const char *type, struct span page, const char *cache)
{
	struct buf fields;
	char date[DATE_BYTES];
	/* Nobody will read the request body to its end, so the next request could not be found. */
	if (!x->close && x->body != NULL && !request_body_is_here(x->body))
		x->close = true;
	buf_init(&fields, BUF_HEAD);
	date_format(x->now, date);
	buf_addf(&fields, "Date: %s\nContent-Type: %s\n", date, type);
	if (x->target.form == KEY_SERVER)
		buf_adds(&fields, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT\n");
	else if (status == 405)
		buf_addf(&fields, "Allow: GET, HEAD%s\n",
		    span_is(x->request->method, "CONNECT") ? ", POST, PUT, PATCH, DELETE, OPTIONS, TRACE" : "");
	if (cache == NULL)
		buf_adds(&fields, "Cache-Control: no-store\n");
	if (status == 407) /* RFC 9110 11.7.1, RFC 7617 2 */
		buf_adds(&fields, "Proxy-Authenticate: Basic realm=\"curlew\", charset=\"UTF-8\"\n");
	if (status == 503 || x->retry_after_s > 0) /* memory or threads may be free again in a moment */
		buf_addf(&fields, "Retry-After: %d\n", x->retry_after_s > 0 ? x->retry_after_s : 1);
	bool head = x->request != NULL && span_is(x->request->method, "HEAD");
	struct response_head r = {.status = status,
	    .fields = buf_span(&fields),
	    .body_bytes = (int64_t)page.len,
	    .age_s = -1,
	    .no_body = head,
	    .close = x->close};
	if (cache != NULL) {
		response_head_say(&r, "%s", cache);
		if (x->target.url != NULL)
			response_head_key(&r, x->target.url);
	}
	x->status = status;
	int rc = x->sink->begin(x->sink, &r);
	if (rc == 0)
		rc = x->sink->bytes(x->sink, page.at, page.len);
	if (rc == 0)
		rc = x->sink->end(x->sink, span_make(NULL, 0));
	buf_fini(&fields);
	return rc;
}

int synthetic_text(struct exchange *x, int status, const char *cache, const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text - 1, format, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof text - 1 ? (size_t)n : sizeof text - 2;
	for (size_t i = 0, bytes; i < len; i += bytes) { /* one line without control characters, whatever the request
							    contained */
		bytes = printable_bytes(span_make(text + i, len - i));
		if (bytes == 0) {
			text[i] = ' ';
			bytes = 1;
		}
	}
	text[len++] = '\n';
	stats_add(STATS_ERRORS, 1);
	if (x->verdict == NULL)
		x->verdict = "error";
	return respond(x, status, "text/plain; charset=utf-8", span_make(text, len), cache);
}

int synthetic_page(struct exchange *x, int status, const char *type, struct span page)
{
	return respond(x, status, type, page, NULL);
}

/* A proxy's URL without user and password. */
static const char *without_user(const char *proxy)
{
	const char *at = proxy != NULL ? strrchr(proxy, '@') : NULL;
	return proxy == NULL ? "" : at != NULL ? at + 1 : proxy;
}

int synthetic_options(struct exchange *x)
{
	x->verdict = "own";
	return synthetic_page(x, 200, "text/plain; charset=utf-8", span_make(NULL, 0));
}

int synthetic_failure(struct exchange *x, const struct flight_response *a, const char *cache)
{
	const char *host = x->target.host;
	x->outcome = a->outcome;
	x->curl_code = a->curl_code;
	switch (a->outcome) {
	case ENGINE_NO_HOST:
		if (x->site != NULL)
			return synthetic_text(x, 502, cache,
			    "%s: the host name of its server does not resolve: %s (check "
			    "--origin)",
			    host, a->message);
		if (x->target.form == KEY_PREFIX)
			return synthetic_text(x, 502, cache,
			    "%s is neither a local file%s nor a host name that resolves (check the spelling)", host,
			    x->context->root.fd < 0 ? " (there is no --root)" : "");
		return synthetic_text(x, 502, cache, "%s: the host name does not resolve (check the spelling)", host);
	case ENGINE_UNREACHABLE:
		return synthetic_text(
		    x, 502, cache, "%s:%d: cannot connect to the origin: %s", host, x->target.port, a->message);
	case ENGINE_PROXY:
		return synthetic_text(x, 502, cache, "%s:%d: the proxy %s cannot be used: %s (check --proxy)", host,
		    x->target.port, without_user(conf_text(x->context->conf, "proxy")), a->message);
	case ENGINE_NOT_ALLOWED:
		return synthetic_text(x, 403, cache,
		    "%s:%d: its address is not public, and curlew fetches from public addresses only (allow it with "
		    "--allow-to)",
		    host, x->target.port);
	case ENGINE_TIMEOUT:
		return synthetic_text(
		    x, 504, cache, "%s:%d: the origin did not respond in time: %s", host, x->target.port, a->message);
	case ENGINE_TLS:
		return synthetic_text(
		    x, 502, cache, "%s:%d: no secure connection (TLS): %s", host, x->target.port, a->message);
	case ENGINE_BROKEN:
		return synthetic_text(
		    x, 502, cache, "%s:%d: the response of the origin broke off: %s", host, x->target.port, a->message);
	case ENGINE_BAD:
		return synthetic_text(x, 502, cache, "%s:%d: the origin's response is not valid HTTP: %s", host,
		    x->target.port, a->message);
	case ENGINE_OFFLINE:
		return synthetic_text(x, 504, cache, "%s is not stored, and --offline forbids to fetch it",
		    x->target.url != NULL ? x->target.url : host);
	case ENGINE_BUSY:
	case ENGINE_NO_ADDRESS: /* never seen here: another engine makes such a fetch */
	case ENGINE_CANCELLED:
	case ENGINE_NO_MEMORY:
	case ENGINE_OK:
		break;
	}
	return synthetic_text(
	    x, 503, cache, "%s:%d: the fetch was abandoned: %s (try again later)", host, x->target.port, a->message);
}

int synthetic_offline(struct exchange *x)
{
	char reason[64], cache[48];
	snprintf(cache, sizeof cache, "detail=\"rule %lld: offline\"", (long long)x->decision.offline_rule);
	snprintf(
	    reason, sizeof reason, "rule %lld: offline, and it is not stored", (long long)x->decision.offline_rule);
	store_refuse(x->context->store, x->target.url, reason, 0, x->now);
	x->outcome = ENGINE_OFFLINE;
	x->curl_code = 7;
	return synthetic_text(x, 504, cache,
	    "%s: not stored, and rule %lld keeps it off the network (see `curlew rule ls`)", x->target.url,
	    (long long)x->decision.offline_rule);
}

int synthetic_denied(struct exchange *x)
{
	char cache[48];
	snprintf(cache, sizeof cache, "detail=\"rule %lld: deny\"", (long long)x->decision.deny_rule);
	return synthetic_text(x, 403, cache, "%s is denied by rule %lld (see `curlew rule ls`)", x->target.url,
	    (long long)x->decision.deny_rule);
}
