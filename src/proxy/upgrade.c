/*
 * libcurl knows a 101 only for protocols of its own, so it makes the connection at most (connect_tunnel.h), and the
 * request and the head of the response are written and read here. Everything is bounded: the head in bytes and in time,
 * each silence of the body by --origin-timeout, the tunnel by the limits of tunnels (relay.h).
 *
 * A response other than 101 reaches the client as any response that is not stored. Bytes that the client sent after its
 * head stay in conn->in: with 101 they belong to the new protocol, else they are the next request.
 */
#include "proxy/upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "fetch/connect_tunnel.h"
#include "fetch/flight.h"
#include "fetch/named_sites.h"
#include "http/chunked.h"
#include "http/field.h"
#include "http/stored_fields.h"
#include "http/upgrade_token.h"
#include "http/url.h"
#include "proxy/browser.h"
#include "proxy/forward.h"
#include "proxy/options.h"
#include "proxy/relay.h"
#include "proxy/request_body.h"
#include "proxy/synthetic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* LOOK_MS: how often a thread that waits for the origin looks whether the client is still there. */
enum { LOOK_MS = 1000, PIECE_BYTES = 16 << 10 };

static const char passed[] = "fwd=bypass";

struct upgrade {
	struct exchange *x;
	struct tunnel_end origin;
	struct buf offered; /* the tokens that were sent to the origin, separated by ", " */
	struct buf in;      /* received from the origin and not yet consumed */
	struct head head;   /* of the response; borrows from `in` */
	int origin_timeout_ms;
};

/* --- which requests --- */

int upgrade_check(const struct conf *conf)
{
	const char *token;
	for (size_t i = 0; (token = conf_item(conf, "upgrade", i)) != NULL; i++) {
		const char *called = conf_called(conf, "upgrade", i);
		if (!upgrade_token_is_valid(span_of(token)))
			log_say("%s %s: not the name of a protocol (give one, such as tcp)", called, token);
		else if (upgrade_token_is_forbidden(span_of(token)))
			log_say("%s %s: requests in such a connection would pass every rule unseen (leave it out)",
			    called, token);
		else
			continue;
		return -1;
	}
	return 0;
}

/* WebSocket handshakes are GET (RFC 6455 4.1). */
static bool may_pass(const struct exchange *x, struct span token)
{
	const char *other;
	if (!upgrade_token_is_valid(token) || upgrade_token_is_forbidden(token))
		return false;
	if (span_is_nocase(token, "websocket"))
		return span_is(x->request->method, "GET");
	for (size_t i = 0; (other = conf_item(x->options->conf, "upgrade", i)) != NULL; i++)
		if (span_is_nocase(token, other))
			return true;
	return false;
}

/* Writes the tokens that may pass, in the order of the request. Returns how many there are. */
static size_t offer(const struct exchange *x, struct buf *out)
{
	const struct field *line = NULL;
	size_t count = 0;
	while ((line = message_next(x->request, span_of("Upgrade"), line)) != NULL) {
		struct span rest = line->value, token;
		while (field_next(&rest, &token)) {
			if (!may_pass(x, token))
				continue;
			if (out != NULL)
				buf_addf(out, "%s%.*s", count > 0 ? ", " : "", (int)token.len, token.at);
			count++;
		}
	}
	return count;
}

/* A request with content would have to be sent whole before the protocol changes; no client does that. A client of
 * HTTP/1.0 knows no Upgrade. `get` has no connection. */
bool upgrade_is_wanted(const struct exchange *x)
{
	const struct head *h = x->request;
	bool empty = x->framing == FRAMING_NO_BODY || (x->framing == FRAMING_LENGTH && x->length == 0);
	return x->body != NULL && empty && h->minor > 0 && message_has(h, "Upgrade") &&
	       message_lists(h, "Connection", "upgrade") && offer(x, NULL) > 0;
}

/* --- to the origin --- */

/* host: what Host is made of; url: what is asked for. */
static int send_request(struct upgrade *u, const struct url *host, const struct url *url)
{
	struct exchange *x = u->x;
	struct buf text, fields;
	struct span rest, line;
	buf_init(&text, 2 * BUF_HEAD);
	buf_init(&fields, BUF_HEAD);
	buf_addf(&text, "%.*s ", (int)x->request->method.len, x->request->method.at);
	url_add_path(&text, url);
	buf_adds(&text, " HTTP/1.1\r\nHost: ");
	url_add_authority(&text, host);
	buf_adds(&text, "\r\n");
	int rc = forward_fields(x, FORWARD_CLIENTS, NULL, &fields);
	rest = buf_span(&fields);
	while (span_next_line(&rest, &line)) {
		buf_addspan(&text, line);
		buf_adds(&text, "\r\n");
	}
	if (x->framing == FRAMING_LENGTH)
		buf_adds(&text, "Content-Length: 0\r\n");
	buf_addf(&text, "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n", buf_str(&u->offered));
	if (rc == 0 && !text.failed)
		rc = tunnel_end_send_all(&u->origin, buf_span(&text), u->origin_timeout_ms);
	else
		rc = -1;
	buf_fini(&fields);
	buf_fini(&text);
	return rc;
}

/* Receives more into u->in. NULL, or why there is nothing more; *outcome says what to report. */
static const char *receive(struct upgrade *u, int64_t until_ms, enum engine_outcome *outcome)
{
	char *room = buf_room(&u->in, PIECE_BYTES);
	*outcome = ENGINE_BROKEN;
	if (room == NULL)
		return "its head is too large";
	for (;;) {
		int64_t left_ms = until_ms - clock_ms();
		if (left_ms <= 0) {
			*outcome = ENGINE_TIMEOUT;
			return "no response head came (see --origin-timeout)";
		}
		ssize_t n = tunnel_end_wait(&u->origin, room, PIECE_BYTES, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
		if (n > 0) {
			buf_grew(&u->in, (size_t)n);
			return NULL;
		}
		if (n == 0 || errno != EAGAIN)
			return "it closed the connection";
		if (u->x->sink->gone(u->x->sink)) {
			*outcome = ENGINE_CANCELLED;
			return "the client is gone";
		}
	}
}

static void send_interim(struct upgrade *u)
{
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	if (u->head.status != 100 && stored_fields_make(&u->head, u->x->now, &fields) == 0)
		u->x->sink->interim(u->x->sink, u->head.status, buf_span(&fields));
	buf_fini(&fields);
}

/* Reads the final head, or that of a 101. NULL, or what is wrong. */
static const char *read_head(struct upgrade *u, enum engine_outcome *outcome)
{
	int64_t until_ms = clock_ms() + u->origin_timeout_ms;
	for (;;) {
		struct fault fault;
		const char *wrong = NULL;
		switch (message_parse_response(&u->head, buf_span(&u->in), &fault)) {
		case MESSAGE_MORE:
			wrong = receive(u, until_ms, outcome);
			break;
		case MESSAGE_BAD:
			*outcome = ENGINE_BAD;
			return fault.why;
		case MESSAGE_WHOLE:
			if (u->head.status >= 200 || u->head.status == 101)
				return NULL;
			send_interim(u);
			buf_consume(&u->in, u->head.bytes);
			break;
		}
		if (wrong != NULL)
			return wrong;
	}
}

/* --- a response other than 101 --- */

/* Sends the body as it arrives. True when it came to its end. */
static bool send_body(struct upgrade *u, enum framing framing, int64_t length)
{
	struct sink *s = u->x->sink;
	struct chunked chunks;
	enum engine_outcome outcome;
	bool whole = framing == FRAMING_NO_BODY || (framing == FRAMING_LENGTH && length == 0), failed = false;
	chunked_init(&chunks);
	while (!whole && !failed) {
		struct span in = buf_span(&u->in), data;
		enum chunked_step step = CHUNKED_DATA;
		if (framing != FRAMING_CHUNKED) {
			data = framing == FRAMING_LENGTH && (int64_t)in.len > length ? span_make(in.at, (size_t)length)
										     : in;
			failed = data.len > 0 && s->bytes(s, data.at, data.len) != 0;
			length -= (int64_t)data.len;
			whole = framing == FRAMING_LENGTH && length == 0;
		} else {
			while (!failed && (step = chunked_next(&chunks, &in, &data)) == CHUNKED_DATA)
				failed = s->bytes(s, data.at, data.len) != 0;
			whole = step == CHUNKED_END;
			failed = failed || step == CHUNKED_BAD;
		}
		buf_clear(&u->in);
		if (whole || failed || s->flush(s) != 0)
			break;
		if (receive(u, clock_ms() + u->origin_timeout_ms, &outcome) != NULL) {
			whole = framing == FRAMING_UNTIL_CLOSE && outcome == ENGINE_BROKEN;
			break;
		}
	}
	if (whole)
		s->end(s, buf_span(&chunks.trailers));
	else
		s->cut(s);
	chunked_fini(&chunks);
	return whole;
}

/* NULL, or what is wrong with the head; then nothing has been sent. */
static const char *send_response(struct upgrade *u)
{
	struct exchange *x = u->x;
	struct buf fields;
	struct fault fault;
	enum framing framing;
	int64_t length = -1;
	char cache[RESPONSE_HEAD_STATUS];
	if (framing_of_response(&u->head, x->request->method, &framing, &length, &fault) != 0)
		return fault.why;
	buf_init(&fields, BUF_HEAD);
	const char *wrong = stored_fields_make(&u->head, x->now, &fields) != 0 ? "its head is too large" : NULL;
	if (wrong == NULL) {
		struct flight_response a = {
		    .status = u->head.status,
		    .minor = u->head.minor,
		    .fields = buf_span(&fields),
		    .body_bytes = framing == FRAMING_NO_BODY  ? 0
				  : framing == FRAMING_LENGTH ? length
							      : -1,
		    .age_s = field_seconds(message_find(&u->head, "Age")),
		};
		x->verdict = "pass";
		stats_add(STATS_PASSED, 1);
		snprintf(cache, sizeof cache, "%s; fwd-status=%d", passed, a.status);
		if (forward_begin(x, &a, cache) == 0) {
			buf_consume(&u->in, u->head.bytes); /* the head borrows from it: no longer needed */
			if (!send_body(u, framing, length)) {
				x->outcome = ENGINE_BROKEN;
				x->curl_code = 18;
			}
		}
	}
	buf_fini(&fields);
	return wrong;
}

/* --- 101 --- */

static void switch_protocols(struct upgrade *u)
{
	struct exchange *x = u->x;
	struct conn *c = x->body->conn;
	struct tunnel_end client = tunnel_end_of(c->fd);
	struct buf fields, text;
	struct response_head r = {.status = 101, .age_s = -1, .via = x->context->via};
	buf_init(&fields, BUF_HEAD);
	buf_init(&text, BUF_HEAD);
	x->close = true;
	x->verdict = "upgrade";
	x->status = 101;
	stats_add(STATS_TUNNELS, 1);
	bool ok = stored_fields_make(&u->head, x->now, &fields) == 0;
	r.fields = buf_span(&fields);
	r.received = u->head.minor == 0 ? "1.0" : "1.1";
	browser_guard(x, r.fields, &r);
	r.sandbox = false; /* a 101 is no document */
	response_head_say(&r, "%s; fwd-status=101", passed);
	response_head_key(&r, x->target.url);
	response_head_write(&text, &r);
	struct span token = message_find(&u->head, "Upgrade");
	buf_addf(&text, "Connection: Upgrade\r\nUpgrade: %.*s\r\n\r\n", (int)token.len, token.at);
	size_t head_bytes = text.len;
	buf_addspan(&text, span_from(buf_span(&u->in), u->head.bytes));
	struct relay relay = {
	    .client = &client,
	    .origin = &u->origin,
	    .for_client = buf_span(&text),
	    .for_origin = span_from(buf_span(&c->in), x->request->bytes),
	    .idle_ms = (int)(conf_seconds(x->options->conf, "idle-timeout") * 1000),
	};
	int64_t sent = ok && !text.failed ? relay_run(&relay, c) : 0;
	x->tunnel_bytes = sent > (int64_t)head_bytes ? sent - (int64_t)head_bytes : 0;
	buf_fini(&text);
	buf_fini(&fields);
}

/* --- from the start --- */

/* Connects to the origin of a URL. NULL, or what is wrong. */
static const char *connect_to(
    struct upgrade *u, const struct url *url, bool trusted, enum engine_outcome *outcome, char message[256])
{
	const struct conf *conf = u->x->options->conf;
	struct connect_tunnel_to to = {
	    .host = url->host,
	    .port = url->port,
	    .trusted = trusted,
	    .secure = url->secure,
	    .cacert = conf_text(conf, "cacert"),
	    .limit_ms = (int)(conf_seconds(conf, "connect-timeout") * 1000),
	};
	int rc = connect_tunnel(flight_engine(u->x->context->flights), &to, &u->origin, outcome, message);
	return rc != 0 ? message : NULL;
}

/* Connects to a backend of the site. *url becomes its URL for this request. NULL, or what is wrong. */
static const char *connect_to_site(struct upgrade *u, struct url *url, enum engine_outcome *outcome, char message[256])
{
	const struct named_site *site = u->x->site;
	const char *wrong = "out of memory";
	unsigned tried = 0;
	int i;
	*outcome = ENGINE_NO_MEMORY;
	while ((i = named_site_choose(site, tried, clock_ms())) >= 0) {
		char *text =
		    named_site_url(&site->backends[i], u->x->fetch_url != NULL ? u->x->fetch_url : u->x->target.url);
		url_fini(url);
		url_init(url);
		bool read = text != NULL && url_parse(span_of(text), true, url) == 0;
		free(text);
		if (!read)
			break;
		wrong = connect_to(u, url, true, outcome, message);
		if (wrong == NULL ||
		    (*outcome != ENGINE_UNREACHABLE && *outcome != ENGINE_TIMEOUT && *outcome != ENGINE_NO_HOST))
			break;
		named_site_failed(site, i, clock_ms(), "it cannot be reached");
		tried |= 1u << i;
	}
	return wrong;
}

/* NULL when a response has been sent, or what is wrong with the origin. */
static const char *run(struct upgrade *u, const struct url *url, enum engine_outcome *outcome, char message[256])
{
	struct url asked;
	url_init(&asked);
	const char *wrong = u->x->site != NULL ? connect_to_site(u, &asked, outcome, message)
					       : connect_to(u, url, u->x->context->origin != NULL, outcome, message);
	if (wrong == NULL) {
		*outcome = ENGINE_BROKEN;
		if (send_request(u, url, u->x->site != NULL ? &asked : url) != 0)
			wrong = "it did not take the request";
	}
	url_fini(&asked);
	if (wrong != NULL)
		return wrong;
	wrong = read_head(u, outcome);
	if (wrong != NULL)
		return wrong;
	*outcome = ENGINE_BAD;
	if (policy_is_unsafe(u->x->request->method) && u->head.status < 400)
		flight_invalidate(u->x->context->flights, u->x->target.url);
	if (u->head.status != 101)
		return send_response(u);
	if (u->head.minor == 0 || !upgrade_token_was_offered(buf_span(&u->offered), &u->head))
		return "it switched to a protocol that was not asked for";
	switch_protocols(u);
	return NULL;
}

void upgrade_respond(struct exchange *x)
{
	struct upgrade u = {.x = x, .origin = tunnel_end_of(-1)};
	struct flight_response failed = {.body_bytes = -1, .outcome = ENGINE_NO_MEMORY, .message = "out of memory"};
	char message[256];
	struct url url;
	if (x->decision.deny || x->decision.offline) {
		(x->decision.deny ? synthetic_denied : synthetic_offline)(x);
		return;
	}
	u.origin_timeout_ms = (int)(conf_seconds(x->options->conf, "origin-timeout") * 1000);
	url_init(&url);
	message_init(&u.head);
	buf_init(&u.offered, BUF_LINE);
	buf_init(&u.in, BUF_HEAD);
	offer(x, &u.offered);
	if (!u.offered.failed &&
	    url_parse(span_of(x->fetch_url != NULL ? x->fetch_url : x->target.url), true, &url) == 0)
		failed.message = run(&u, &url, &failed.outcome, message);
	if (failed.message != NULL && failed.outcome == ENGINE_CANCELLED)
		x->close = true;
	else if (failed.message != NULL)
		synthetic_failure(x, &failed, passed);
	tunnel_end_close(&u.origin);
	buf_fini(&u.in);
	buf_fini(&u.offered);
	message_fini(&u.head);
	url_fini(&url);
}
