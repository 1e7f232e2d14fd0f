/*
 * libcurl's own transfer decoding is off, because it ends a transfer at a coding that it does not know. It still
 * follows the chunks to find the end of the body. So the bytes that arrive here are in the chunked coding, and
 * http/chunked decodes them. Heads arrive line by line; the first one that is not 1xx is the final head.
 *
 * Returning another number than was given makes libcurl fail the transfer: f->failed says why.
 */
#include "fetch/transfer_receive.h"

#include "base/clock.h"
#include "base/stats.h"
#include "fetch/close_notify.h"
#include "fetch/transfer.h"
#include "http/framing.h"

#include <ctype.h>
#include <string.h>

void transfer_push_deadline(struct fetch *f)
{
	f->deadline_ms = clock_ms() + f->shared->config.limits->origin_timeout_ms;
}

/* --- the head --- */

/* Adds a field line, "Name: value\n", as http/message reads it. */
static void add_line(struct buf *to, struct span line)
{
	bool folded = line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t');
	line = span_trim(line);
	if (folded && to->len > 0) { /* obs-fold is one space (RFC 9112 5.2) */
		to->data[to->len - 1] = ' ';
	} else if (folded) {
		return;
	}
	buf_addspan(to, line);
	buf_addc(to, '\n');
}

/* A new head begins: the lines of the one before, which was 1xx, are gone. */
static void read_status_line(struct fetch *f, struct span line)
{
	buf_clear(&f->head);
	f->minor = line.len > 8 && memcmp(line.at, "HTTP/1.0", 8) == 0 ? 0
		   : line.len > 6 && memcmp(line.at, "HTTP/2", 6) == 0 ? 2
								       : 1;
	f->status = 0;
	const char *space = memchr(line.at, ' ', line.len);
	size_t at = space != NULL ? (size_t)(space - line.at) + 1 : line.len;
	for (int i = 0; i < 3 && at < line.len && isdigit((unsigned char)line.at[at]); i++, at++)
		f->status = f->status * 10 + (line.at[at] - '0');
}

/* False, for the caller to return: the transfer ends with this error. */
static bool head_fails(struct fetch *f, const char *why)
{
	f->failed = ENGINE_BAD;
	f->failed_why = why;
	return false;
}

/* Recipients may disagree about where this body ends. Its connection is not used again (RFC 9112 6.1). */
static bool leaves_doubt(const struct head *h, enum framing framing)
{
	if (!message_has(h, "Transfer-Encoding"))
		return false;
	return framing == FRAMING_UNTIL_CLOSE || h->minor == 0 || message_has(h, "Content-Length");
}

/* The origin says that it has authenticated the connection and not only the request (RFC 4559; IIS sends
 * Persistent-Auth). Other clients must not use it. */
static bool is_bound(const struct head *h)
{
	return span_is_nocase(message_find(h, "Persistent-Auth"), "true");
}

/* The final head is complete: finds out how the body is framed, and delivers the head. False ends the transfer. */
static bool take_head(struct fetch *f)
{
	long version = 0;
	curl_easy_getinfo(f->easy, CURLINFO_HTTP_VERSION, &version);
	bool http1 = version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1;
	enum framing framing;
	int64_t length = -1;
	struct fault fault = {0, "its head is not HTTP"};
	if (f->head.failed || f->status < 200 || f->status > 999)
		return head_fails(f, f->head.failed ? "its head is too large" : "its head is not HTTP");
	if (message_parse_fields(&f->parsed, buf_span(&f->head)) != 0)
		return head_fails(f, "its head is too large");
	f->parsed.status = f->status;
	f->parsed.minor = f->minor;
	if (framing_of_response(&f->parsed, span_of(f->method), &framing, &length, &fault) != 0)
		return head_fails(f, fault.why);
	f->dechunk = http1 && framing == FRAMING_CHUNKED;
	f->counts_itself = http1 && framing == FRAMING_LENGTH && message_has(&f->parsed, "Transfer-Encoding");
	if (http1 && (leaves_doubt(&f->parsed, framing) || is_bound(&f->parsed)))
		curl_easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L);
	if (http1 && framing == FRAMING_UNTIL_CLOSE)
		f->close_notify = close_notify_await(f->easy);
	f->head_done = true;
	f->left = framing == FRAMING_LENGTH ? length : -1;
	f->use.bodiless = framing == FRAMING_NO_BODY || f->left == 0;
	int64_t body_bytes = framing == FRAMING_NO_BODY ? 0 : framing == FRAMING_LENGTH ? length : -1;
	f->ops->head(f->ctx, f->status, f->minor, buf_span(&f->head), body_bytes);
	transfer_push_deadline(f);
	f->whole = f->counts_itself && f->left == 0;
	return !f->whole;
}

/* CURLOPT_HEADERFUNCTION: one line at a time, of 1xx heads, of the final head, and of HTTP/1 and HTTP/2 trailers. */
size_t transfer_receive_head(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	struct span line = span_make(bytes, size * n);
	f->use.taken += (int64_t)line.len;
	while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
		line.len--;
	if (f->head_done) {
		/* libcurl sends the request again after 417, but the response has begun already. */
		if (span_starts(line, "HTTP/")) {
			f->failed = ENGINE_BROKEN;
			f->failed_why = "it refused the expectation";
			return 0;
		}
		if (line.len > 0)
			add_line(&f->trailers, line);
	} else if (span_starts(line, "HTTP/")) {
		read_status_line(f, line);
	} else if (line.len > 0) {
		add_line(&f->head, line);
		if (f->head.failed) {
			head_fails(f, "its head is too large");
			return 0;
		}
	} else if (f->status == 101) {
		head_fails(f, "it switched protocols unasked");
		return 0;
	} else if (f->status >= 100 && f->status < 200) {
		if (f->status != 100 && f->ops->interim != NULL)
			f->ops->interim(f->ctx, f->status, buf_span(&f->head));
	} else if (!take_head(f)) {
		return 0;
	}
	return size * n;
}

/* --- the body, down and up --- */

/* Delivers the data of a chunked body. False ends the transfer. *more becomes false when the receiver wants a pause. */
static bool decode(struct fetch *f, struct span in, bool *more)
{
	struct span data;
	for (;;) {
		switch (chunked_next(&f->chunks, &in, &data)) {
		case CHUNKED_DATA:
			*more = f->ops->data(f->ctx, data.at, data.len) && *more;
			break;
		case CHUNKED_MORE:
			return true;
		case CHUNKED_END:
			f->dechunked = true;
			if (in.len > 0) /* these bytes belong to no request (invariant 10) */
				curl_easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L);
			return true;
		case CHUNKED_BAD:
			return head_fails(f, "its chunked body is malformed");
		}
	}
}

size_t transfer_receive_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	bool more = true;
	n *= size;
	if (!f->head_done)
		return 0;
	f->use.taken += (int64_t)n;
	/* libcurl may understand the framing in another way than we and the client do. So not one byte more than the
	 * head promised is taken here, and transfer_end() accepts not one fewer. */
	if (f->left >= 0 && (uint64_t)f->left < n) {
		head_fails(f, "its body is longer than its Content-Length");
		return 0;
	}
	if (f->left >= 0)
		f->left -= (int64_t)n;
	stats_add(STATS_BYTES_FETCHED, (int64_t)n);
	if (!f->dechunk)
		more = f->ops->data(f->ctx, bytes, n);
	else if (!f->dechunked && !decode(f, span_make(bytes, n), &more))
		return 0;
	transfer_push_deadline(f);
	/* libcurl would wait for more until the connection ends. */
	if (f->counts_itself && f->left == 0) {
		f->whole = true;
		return 0;
	}
	if (!more) {
		/* The bytes were taken, so CURL_WRITEFUNC_PAUSE, which delivers them again, is not used. */
		f->receive_paused = true;
		curl_easy_pause(f->easy, CURLPAUSE_RECV | (f->send_paused ? CURLPAUSE_SEND : 0));
	}
	return n;
}

size_t transfer_on_upload(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	f->send_paused = false;
	transfer_push_deadline(f);
	ssize_t got = f->ops->upload(f->ctx, bytes, size * n);
	if (got == ENGINE_UPLOAD_WAIT) {
		f->send_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}
