/*
 * The thread that serves the request waits for the origin here. If the request has a body that is not in memory yet, a
 * second thread sends it meanwhile (body_relay.h), because an origin may respond before it has read the body.
 */
#include "proxy/forward.h"

#include "base/stats.h"
#include "http/field.h"
#include "http/framing.h"
#include "proxy/body_relay.h"
#include "proxy/browser.h"
#include "proxy/compressed.h"
#include "proxy/deliver.h"
#include "proxy/request_body.h"
#include "proxy/synthetic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAGS_MOST = 16 }; /* entity tags in one If-None-Match */

static bool is_condition(struct span name)
{
	static const char *const names[] = {
	    "If-None-Match", "If-Modified-Since", "If-Range", "Range", "If-Match", "If-Unmodified-Since"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

/* Fields that are not copied. The engine writes Host and the framing; forward_respond() alone passes Expect on. Proxy
 * has no meaning in HTTP, but CGI turns it into the variable HTTP_PROXY, which programs at the origin obey ("httpoxy").
 */
static bool is_ours(struct span name)
{
	static const char *const names[] = {"Host", "Content-Length", "Expect", "Proxy"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

static bool counts_hops(struct span method)
{
	return span_is(method, "OPTIONS") || span_is(method, "TRACE"); /* RFC 9110 7.6.2 */
}

/* A row may hold anything, because users edit rows; a line end in a field would split the request. */
static bool is_one_line(const char *text)
{
	return text != NULL && strpbrk(text, "\r\n") == NULL;
}

/* If-None-Match with the entity tags of the stored response, or of all stored variants (RFC 9111 4.3.1). */
static void add_tags(struct buf *out, const struct index_rows *stored)
{
	size_t tags = 0;
	for (size_t i = 0; i < stored->count && tags < TAGS_MOST; i++)
		if (is_one_line(stored->entries[i]->etag))
			buf_addf(out, "%s%s", tags++ == 0 ? "If-None-Match: " : ", ", stored->entries[i]->etag);
	if (tags > 0)
		buf_addc(out, '\n');
}

int forward_fields(
    const struct exchange *x, enum forward_conditions how, const struct index_rows *stored, struct buf *out)
{
	const struct head *h = x->request;
	buf_clear(out);
	for (size_t i = 0; i < h->count; i++) {
		const struct field *f = &h->fields[i];
		bool left_out =
		    !message_is_end_to_end(f) || is_ours(f->name) || (how != FORWARD_CLIENTS && is_condition(f->name));
		if (left_out)
			continue;
		buf_addspan(out, f->name);
		buf_adds(out, ": ");
		if (span_is_nocase(f->name, "Max-Forwards") && counts_hops(h->method) && field_seconds(f->value) > 0)
			buf_addf(out, "%" PRId64, field_seconds(f->value) - 1);
		else
			buf_addspan(out, f->value);
		buf_addc(out, '\n');
	}
	if (how == FORWARD_STORED && stored->count == 1 && is_one_line(stored->entries[0]->last_modified))
		buf_addf(out, "If-Modified-Since: %s\n", stored->entries[0]->last_modified);
	if (how == FORWARD_STORED)
		add_tags(out, stored);
	buf_addf(out, "Via: 1.%d %s\n", h->minor, x->context->via);
	return out->failed ? -1 : 0;
}

enum flight_wait_result forward_wait(struct exchange *x, struct flight_reader *reader, struct flight_response *a)
{
	enum flight_wait_result changed;
	while ((changed = flight_reader_wait(reader, a)) == FLIGHT_INTERIM)
		x->sink->interim(x->sink, a->status, a->fields);
	return changed;
}

/* Waits for the next piece of the body, and lets min_rate see that it is the origin we wait for. (A slow client is seen
 * by its socket: bytes that it has not acknowledged.) */
static enum flight_read wait_for_piece(
    struct exchange *x, struct flight_reader *reader, bool known, struct flight_bytes *p)
{
	struct conn *c = x->body != NULL ? x->body->conn : NULL;
	enum min_rate_wait what = known ? MIN_RATE_ORIGIN : MIN_RATE_STREAM;
	if (c != NULL)
		conn_waits(c, what, true);
	enum flight_read got = flight_reader_read(reader, true, p);
	if (c != NULL)
		conn_waits(c, what, false);
	return got;
}

/* The sink is flushed before every wait: the client gets at once all that we have. */
void forward_body(struct exchange *x, struct flight_reader *reader, bool known, int64_t bytes)
{
	struct sink *s = x->sink;
	while (bytes != 0) {
		struct flight_bytes p;
		enum flight_read got = flight_reader_read(reader, false, &p);
		if (got == FLIGHT_QUIET) {
			if (s->flush(s) != 0)
				return;
			got = wait_for_piece(x, reader, known, &p);
		}
		if ((got == FLIGHT_BYTES || got == FLIGHT_FILE) && bytes > 0) {
			if (p.n > (size_t)bytes)
				p.n = (size_t)bytes;
			bytes -= (int64_t)p.n;
		}
		switch (got) {
		case FLIGHT_BYTES:
			if (s->bytes(s, p.bytes, p.n) != 0)
				return;
			break;
		case FLIGHT_FILE:
			if (s->file(s, p.fd, p.at, (int64_t)p.n) != 0)
				return;
			break;
		case FLIGHT_END:
			s->end(s, flight_reader_trailers(reader));
			return;
		case FLIGHT_BROKEN:
		case FLIGHT_LEFT:
		case FLIGHT_QUIET:
			x->outcome = ENGINE_BROKEN;
			x->curl_code = 18;
			s->cut(s);
			return;
		}
	}
	s->end(s, span_make(NULL, 0));
}

int forward_begin(struct exchange *x, const struct flight_response *a, const char *cache)
{
	struct response_head r = {
	    .status = a->status,
	    .fields = a->fields,
	    .reused = a->reused && deliver_withholds_cookies(x, a->status),
	    .body_bytes = a->body_bytes,
	    .no_body = span_is(x->request->method, "HEAD"),
	    .age_s = a->age_s,
	    .via = x->context->via,
	    .keeps_tags = x->context->keeps_tags,
	    .received = a->minor == 0   ? "1.0"
			: a->minor == 2 ? "2"
					: "1.1",
	    .close = x->close,
	};
	bool in_vary;
	r.encodes =
	    a->stored && compressed_suits(x->context, a->status, a->fields, a->body_bytes, &in_vary) && !in_vary;
	char *location = deliver_location(x, a->status, a->fields);
	r.location = location;
	browser_guard(x, a->fields, &r);
	response_head_say(&r, "%s", cache);
	response_head_key(&r, x->target.url);
	x->status = a->status;
	int rc = x->sink->begin(x->sink, &r);
	free(location);
	return rc;
}

void forward_stream(
    struct exchange *x, struct flight_reader *reader, const struct flight_response *a, const char *cache)
{
	if (forward_begin(x, a, cache) == 0)
		forward_body(x, reader, a->body_bytes >= 0, -1);
}

/* --- requests that only the origin can answer --- */

static int64_t upload_size(const struct exchange *x)
{
	/* libcurl sends no body with HEAD. With Content-Length but no body, the origin would take the next request on
	 * the connection for the body. */
	if (span_is(x->request->method, "HEAD"))
		return ENGINE_NO_UPLOAD;
	switch (x->framing) {
	case FRAMING_LENGTH:
		return x->length;
	case FRAMING_CHUNKED:
		return ENGINE_CHUNKED_UPLOAD;
	case FRAMING_NO_BODY:
	case FRAMING_UNTIL_CLOSE:
		break;
	}
	return ENGINE_NO_UPLOAD;
}

/* Why the request was forwarded, for Cache-Status (RFC 9211 2.2). */
static const char *why_forwarded(const struct exchange *x)
{
	bool cacheable = span_is(x->request->method, "GET") || span_is(x->request->method, "HEAD");
	return cacheable ? "fwd=bypass" : "fwd=method";
}

/* Sends what the fetch came to. */
static void send_outcome(
    struct exchange *x, struct flight_reader *reader, enum flight_wait_result changed, const struct flight_response *a)
{
	char cache[RESPONSE_HEAD_STATUS];
	if (changed == FLIGHT_RESPONSE) {
		/* COPY and MOVE change another resource too. */
		if (x->destination_key != NULL && a->status < 400)
			flight_invalidate(x->context->flights, x->destination_key);
		x->verdict = "pass";
		stats_add(STATS_PASSED, 1);
		snprintf(cache, sizeof cache, "%s; fwd-status=%d%s", why_forwarded(x), a->status,
		    a->stored && a->stopped == NULL ? "; stored" : "");
		forward_stream(x, reader, a, cache);
	} else if (changed == FLIGHT_FAILED && x->bad_body != 0) {
		x->close = true;
		synthetic_text(x, x->bad_body, why_forwarded(x), "%s",
		    x->bad_body == 408 ? "the request body did not arrive in time (see --body-timeout)"
				       : "the request body is malformed or incomplete");
	} else if (changed == FLIGHT_FAILED) {
		x->close = x->framing != FRAMING_NO_BODY;
		synthetic_failure(x, a, why_forwarded(x));
	} else {
		x->close = true;
	}
}

void forward_respond(struct exchange *x)
{
	struct flight_ask ask = {
	    .method = x->request->method,
	    .url = x->target.url,
	    .fetch_url = x->fetch_url,
	    .decision = &x->decision,
	    .rules = x->rules,
	    .purge_id = x->rules->purge_id,
	    .asterisk = x->target.asterisk,
	    .upload_bytes = upload_size(x),
	    .request = x->request,
	    .gone = x->sink->gone,
	    .gone_ctx = x->sink,
	};
	struct flight_reader *reader = NULL;
	struct flight_response a;
	struct buf fields;
	if (x->decision.offline) {
		x->close = x->framing != FRAMING_NO_BODY;
		synthetic_offline(x);
		return;
	}
	buf_init(&fields, BUF_HEAD);
	bool expects = ask.upload_bytes != ENGINE_NO_UPLOAD && message_lists(x->request, "Expect", "100-continue");
	bool ok = forward_fields(x, FORWARD_CLIENTS, NULL, &fields) == 0 &&
		  (!expects || buf_adds(&fields, "Expect: 100-continue\n") == 0);
	ask.fields = buf_span(&fields);
	if (ok && flight_join(x->context->flights, &ask, &reader) == FLIGHT_LEADS) {
		struct body_relay *upload =
		    ask.upload_bytes != ENGINE_NO_UPLOAD ? body_relay_begin(x, reader, expects) : NULL;
		enum flight_wait_result changed = forward_wait(x, reader, &a);
		send_outcome(x, reader, changed, &a);
		body_relay_end(upload);
	} else {
		synthetic_text(x, 503, why_forwarded(x), "out of memory: try again later");
	}
	flight_reader_leave(reader);
	buf_fini(&fields);
}
