/*
 * One transfer: from a spec to an easy handle, and from libcurl's callbacks to ours.
 *
 * libcurl's own transfer decoding is off, because it ends a transfer at a coding it does not know; it still follows chunks to
 * find the end, so what arrives here is raw chunked coding, decoded by http/chunked. Heads arrive line by line; the first head
 * that is not 1xx is the final one.
 */
#include "fetch/engine_internal.h"

#include "base/clock.h"
#include "base/stats.h"
#include "fetch/allow.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 64 << 10, UPLOAD_BYTES = 64 << 10 };

void engine_global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	goodbye_setup();
}

const char *engine_library(void)
{
	return curl_version();
}

/* socket() unless the address is not allowed, which is noted in *not_allowed. */
static curl_socket_t open_socket(
    const struct engine *e, bool trusted, const struct curl_sockaddr *to, bool *not_allowed)
{
	if (!trusted && e->proxy == NULL && !allow_judge(e->config.allow, &to->addr)) {
		*not_allowed = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Settings of every transfer: protocols, trust, proxy, the address check. */
static void prepare(struct engine *e, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never waits for a look-up that was given up (engine_names.c) */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, e->proxy != NULL ? e->proxy : ""); /* "": not the environment's */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (e->cacert != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, e->cacert);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(e->config.connect_timeout_s * 1000));
}

static void push_deadline(struct fetch *f)
{
	f->deadline_ms = clock_ms() + (int64_t)(f->engine->config.origin_timeout_s * 1000);
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)purpose;
	struct fetch *f = ctx;
	bool not_allowed = false;
	curl_socket_t fd = open_socket(f->engine, f->trusted, to, &not_allowed);
	names_found(f);
	if (fd != CURL_SOCKET_BAD) {
		sockets_opened(f->engine, fd);
		f->fd = fd;
	}
	if (not_allowed) {
		f->failed = ENGINE_NOT_ALLOWED;
		f->failed_why = "its address is not public";
	} else if (f->failed == ENGINE_NOT_ALLOWED) {
		f->failed = ENGINE_OK; /* another address of the name is allowed */
	}
	return fd;
}

/* The time to answer runs from here. */
static int on_connected(void *ctx, char *to, char *from, int to_port, int from_port)
{
	(void)from;
	struct fetch *f = ctx;
	f->unused = !sockets_use(f, to, to_port, from_port);
	push_deadline(f);
	return f->unused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* libcurl needs an address it has not in its cache. 0 goes on, anything else ends the transfer. */
static int on_look_up(void *resolver, void *reserved, void *ctx)
{
	(void)resolver;
	(void)reserved;
	struct fetch *f = ctx;
	enum lookup_verdict verdict = names_begin(f);
	if (verdict == LOOKUP_FULL) {
		f->failed = ENGINE_BUSY;
		f->failed_why = "too many names are being looked up";
	}
	return verdict != LOOKUP_BEGUN;
}

/* --- the head --- */

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

static void read_status_line(struct fetch *f, struct span line)
{
	buf_clear(&f->head);
	f->minor = line.len > 8 && memcmp(line.at, "HTTP/1.0", 8) == 0 ? 0 : line.len > 6 && memcmp(line.at, "HTTP/2", 6) == 0 ? 2 : 1;
	f->status = 0;
	const char *space = memchr(line.at, ' ', line.len);
	size_t at = space != NULL ? (size_t)(space - line.at) + 1 : line.len;
	for (int i = 0; i < 3 && at < line.len && isdigit((unsigned char)line.at[at]); i++, at++)
		f->status = f->status * 10 + (line.at[at] - '0');
}

static bool head_fails(struct fetch *f, const char *why)
{
	f->failed = ENGINE_BAD;
	f->failed_why = why;
	return false;
}

/* Readers may differ about where this body ends: the connection serves nothing after it (RFC 9112 6.1). */
static bool leaves_doubt(const struct head *h, enum message_framing framing)
{
	if (!message_has(h, "Transfer-Encoding"))
		return false;
	return framing == MESSAGE_UNTIL_CLOSE || h->minor == 0 || message_has(h, "Content-Length");
}

/* The origin says that it has authenticated the connection itself (RFC 4559, and IIS's Persistent-Auth). */
static bool is_bound(const struct head *h)
{
	return span_is_nocase(message_find(h, "Persistent-Auth"), "true");
}

/* The final head is complete: find out how the body is framed and tell. False ends the transfer. */
static bool take_head(struct fetch *f)
{
	long version = 0;
	curl_easy_getinfo(f->easy, CURLINFO_HTTP_VERSION, &version);
	bool http1 = version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1;
	enum message_framing framing;
	int64_t length = -1;
	struct fault fault = {0, "its head is not HTTP"};
	if (f->head.failed || f->status < 200 || f->status > 999)
		return head_fails(f, f->head.failed ? "its head is too large" : "its head is not HTTP");
	if (message_parse_fields(&f->parsed, buf_span(&f->head)) != 0)
		return head_fails(f, "its head is too large");
	f->parsed.status = f->status;
	f->parsed.minor = f->minor;
	if (message_response_framing(&f->parsed, span_of(f->method), &framing, &length, &fault) != 0)
		return head_fails(f, fault.why);
	f->dechunk = http1 && framing == MESSAGE_CHUNKED;
	f->counts_itself = http1 && framing == MESSAGE_LENGTH && message_has(&f->parsed, "Transfer-Encoding");
	if (http1 && (leaves_doubt(&f->parsed, framing) || is_bound(&f->parsed)))
		curl_easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L);
	if (http1 && framing == MESSAGE_UNTIL_CLOSE)
		f->goodbye = goodbye_await(f->easy);
	f->head_done = true;
	f->left = framing == MESSAGE_LENGTH ? length : -1;
	f->bodiless = framing == MESSAGE_NO_BODY || f->left == 0;
	int64_t body_bytes = framing == MESSAGE_NO_BODY ? 0 : framing == MESSAGE_LENGTH ? length : -1;
	f->ops->head(f->ctx, f->status, f->minor, buf_span(&f->head), body_bytes);
	push_deadline(f);
	f->whole = f->counts_itself && f->left == 0;
	return !f->whole;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	struct span line = span_make(bytes, size * n);
	f->taken += (int64_t)line.len;
	while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
		line.len--;
	if (f->head_done) {
		if (span_starts(line, "HTTP/")) { /* libcurl asks again after 417: our answer has begun already */
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
			if (in.len > 0) /* nobody asked for what follows */
				curl_easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L);
			return true;
		case CHUNKED_BAD:
			return head_fails(f, "its chunked body is malformed");
		}
	}
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	bool more = true;
	n *= size;
	if (!f->head_done)
		return 0;
	f->taken += (int64_t)n;
	/* libcurl may have read the framing otherwise than we and our client do: no byte more than was promised, and none fewer. */
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
	push_deadline(f);
	if (f->counts_itself && f->left == 0) {
		f->whole = true;
		return 0;
	}
	if (!more) {
		f->receive_paused = true;
		curl_easy_pause(f->easy, CURLPAUSE_RECV | (f->send_paused ? CURLPAUSE_SEND : 0));
	}
	return n;
}

static size_t on_upload(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	push_deadline(f);
	ssize_t got = f->ops->upload(f->ctx, bytes, size * n);
	if (got == ENGINE_UPLOAD_WAIT) {
		f->send_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

void transfer_resume(struct fetch *f, bool receive, bool send)
{
	receive = receive && f->receive_paused;
	send = send && f->send_paused;
	if (!f->active || (!receive && !send))
		return;
	f->receive_paused = f->receive_paused && !receive;
	f->send_paused = f->send_paused && !send;
	push_deadline(f);
	curl_easy_pause(f->easy, (f->receive_paused ? CURLPAUSE_RECV : 0) | (f->send_paused ? CURLPAUSE_SEND : 0));
}

/* --- beginning and end --- */

static bool has_field(const struct fetch *f, const char *name)
{
	size_t n = strlen(name);
	for (const struct curl_slist *l = f->fields; l != NULL; l = l->next)
		if (strncasecmp(l->data, name, n) == 0 && (l->data[n] == ':' || l->data[n] == ';'))
			return true;
	return false;
}

/* libcurl adds these by itself unless told not to; a proxy sends what its client sent. */
static int silence_defaults(struct fetch *f)
{
	static const char *const names[] = {"Accept", "Expect", "User-Agent", "Content-Type"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char line[32] = "";
		if (has_field(f, names[i]))
			continue;
		strcat(strcpy(line, names[i]), ":");
		struct curl_slist *more = curl_slist_append(f->fields, line);
		if (more == NULL)
			return -1;
		f->fields = more;
	}
	if (f->upload_bytes == ENGINE_CHUNKED_UPLOAD && !has_field(f, "Transfer-Encoding")) {
		struct curl_slist *more = curl_slist_append(f->fields, "Transfer-Encoding: chunked");
		if (more == NULL)
			return -1;
		f->fields = more;
	}
	return 0;
}

static void set_method(struct fetch *f)
{
	CURL *easy = f->easy;
	if (strcmp(f->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (f->upload_bytes != ENGINE_NO_UPLOAD) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)f->upload_bytes);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(easy, CURLOPT_READDATA, f);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES);
	}
	if (strcmp(f->method, "GET") != 0 || f->upload_bytes != ENGINE_NO_UPLOAD)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, f->method);
}

/* Before an HTTP proxy libcurl writes the target anew from the URL's parts, and an empty query would be lost. "*" is written by the last
 * proxy alone: those before it say it by an empty path. */
static void set_target(const struct engine *e, struct fetch *f)
{
	const char *proxy = e->proxy;
	bool absolute = proxy != NULL && (strstr(proxy, "://") == NULL || strncasecmp(proxy, "http", 4) == 0);
	absolute = absolute && strncmp(f->url, "http://", 7) == 0;
	if (absolute && f->asterisk)
		f->url[7 + strcspn(f->url + 7, "/")] = '\0';
	if (absolute)
		curl_easy_setopt(f->easy, CURLOPT_REQUEST_TARGET, f->url);
	else if (f->asterisk)
		curl_easy_setopt(f->easy, CURLOPT_REQUEST_TARGET, "*");
}

/* A kept connection may turn out dead, and libcurl asks again on another: wrong for POST (RFC 9110 9.2.2), which therefore gets a connection of
 * its own that is closed afterwards. So does what authenticates its connection, and in HTTP/1.1: in HTTP/2 others would share it meanwhile. */
static void choose_connection(struct fetch *f)
{
	if (f->asked_fresh || !f->idempotent || f->binds_connection)
		curl_easy_setopt(f->easy, CURLOPT_FRESH_CONNECT, 1L);
	if (!f->idempotent || f->binds_connection) {
		curl_easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L);
		curl_easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	}
}

int transfer_begin(struct fetch *f)
{
	struct engine *e = f->engine;
	/* Never a handle of an earlier transfer: libcurl before 8.2 unfolds a first field line that begins with a blank into the last field of
	 * that transfer, which it has freed. */
	f->easy = curl_easy_init();
	if (f->easy == NULL || silence_defaults(f) != 0)
		return -1;
	prepare(e, f->easy);
	curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_CLOSESOCKETFUNCTION, sockets_close);
	curl_easy_setopt(f->easy, CURLOPT_CLOSESOCKETDATA, e);
	curl_easy_setopt(f->easy, CURLOPT_RESOLVER_START_FUNCTION, on_look_up);
	curl_easy_setopt(f->easy, CURLOPT_RESOLVER_START_DATA, f);
	curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
	curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->error);
	curl_easy_setopt(f->easy, CURLOPT_URL, f->url);
	f->fd = -1;
	f->unused = false;
	f->error[0] = '\0';
	f->deadline_ms = INT64_MAX; /* until it is connected libcurl's own limit holds */
	if (f->tunnel) {
		curl_easy_setopt(f->easy, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(f->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
		return 0;
	}
	curl_easy_setopt(f->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->fields);
	curl_easy_setopt(f->easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
	curl_easy_setopt(f->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L); /* an unknown transfer coding would fail as an unknown content coding */
	curl_easy_setopt(f->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
	curl_easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	choose_connection(f);
	set_method(f);
	set_target(e, f);
	curl_easy_setopt(f->easy, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(f->easy, CURLOPT_PREREQDATA, f);
	return 0;
}

/* With an upstream proxy: was it that failed, and not the host behind it? */
static bool is_proxys_fault(const char *proxy, CURL *easy, CURLcode code)
{
	long answer = 0; /* of the proxy to CONNECT; 0: none */
	curl_off_t connected_us = 0;
	if (proxy == NULL || easy == NULL)
		return false;
	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &answer);
	curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT: /* to the proxy: nothing else is connected to */
	case CURLE_PROXY:
		return true;
	case CURLE_OPERATION_TIMEDOUT:
		return connected_us <= 0;
	case CURLE_RECV_ERROR:
		return answer >= 300;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return strncasecmp(proxy, "https:", 6) == 0 && answer == 0;
	default:
		return false;
	}
}

static enum engine_outcome outcome_of(const struct fetch *f, CURLcode code)
{
	bool head_done = f->head_done;
	if (!head_done && is_proxys_fault(f->engine->proxy, f->easy, code))
		return ENGINE_PROXY;
	switch ((int)code) {
	case CURLE_OK:
		return ENGINE_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
		return ENGINE_NO_HOST;
	case CURLE_COULDNT_CONNECT:
		return ENGINE_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return ENGINE_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return ENGINE_TLS;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP2:
		return head_done ? ENGINE_BROKEN : ENGINE_BAD;
	case CURLE_OUT_OF_MEMORY:
		return ENGINE_TROUBLE;
	default:
		return ENGINE_BROKEN;
	}
}

static double info_ms(CURL *easy, CURLINFO what)
{
	curl_off_t us = -1;
	if (easy == NULL || curl_easy_getinfo(easy, what, &us) != CURLE_OK || us < 0)
		return -1;
	return (double)us / 1000;
}

bool transfer_asks_again(struct fetch *f, CURLcode code)
{
	long connects = 1;
	if (f->unused)
		return true;
	if (f->asked_fresh || !f->idempotent || f->tunnel || f->upload_bytes != ENGINE_NO_UPLOAD || f->taken > 0 || f->head_done ||
	    f->failed != ENGINE_OK)
		return false;
	if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR && code != CURLE_GOT_NOTHING)
		return false;
	curl_easy_getinfo(f->easy, CURLINFO_NUM_CONNECTS, &connects);
	f->asked_fresh = connects == 0;
	return f->asked_fresh;
}

void transfer_drop_handle(struct fetch *f)
{
	if (f->easy == NULL)
		return;
	sockets_leave(f);
	curl_multi_remove_handle(f->engine->multi, f->easy);
	curl_easy_cleanup(f->easy);
	f->easy = NULL;
}

/* The socket of a tunnel outlives the transfer. */
static int take_socket(struct fetch *f)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	if (!f->tunnel || f->easy == NULL)
		return -1;
	curl_easy_getinfo(f->easy, CURLINFO_ACTIVESOCKET, &fd);
	return fd != CURL_SOCKET_BAD ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

enum engine_outcome transfer_end(struct fetch *f, CURLcode code)
{
	code = f->whole ? CURLE_OK : code;
	struct engine_end end = {.outcome = outcome_of(f, code), .curl_code = (int)code, .fd = code == CURLE_OK ? take_socket(f) : -1};
	end.message = f->error[0] != '\0' ? f->error : curl_easy_strerror(code);
	bool whole = f->left <= 0 && (!f->dechunk || f->dechunked) && !goodbye_missing(f->goodbye);
	if (code == CURLE_OK && !f->tunnel && (!f->head_done || !whole)) {
		end.outcome = f->head_done ? ENGINE_BROKEN : ENGINE_BAD;
		end.curl_code = f->head_done ? CURLE_PARTIAL_FILE : CURLE_WEIRD_SERVER_REPLY;
		end.message = f->head_done ? "its body broke off" : "it sent no HTTP head";
	}
	if (f->failed != ENGINE_OK && code != CURLE_OK) {
		end.outcome = f->failed;
		end.message = f->failed_why;
		if (f->failed == ENGINE_BAD)
			end.curl_code = CURLE_WEIRD_SERVER_REPLY;
	}
	if (code == CURLE_OUT_OF_MEMORY && !f->head_done && f->easy != NULL) { /* libcurl's word for a line beyond 100 KB */
		end.outcome = ENGINE_BAD;
		end.curl_code = CURLE_WEIRD_SERVER_REPLY;
		end.message = "a line of its head is too large";
	}
	end.trailers = f->dechunk ? buf_span(&f->chunks.trailers) : buf_span(&f->trailers);
	end.dns_ms = info_ms(f->easy, CURLINFO_NAMELOOKUP_TIME_T);
	end.connect_ms = info_ms(f->easy, CURLINFO_CONNECT_TIME_T);
	end.ttfb_ms = info_ms(f->easy, CURLINFO_STARTTRANSFER_TIME_T);
	end.total_ms = info_ms(f->easy, CURLINFO_TOTAL_TIME_T);
	if (end.outcome != ENGINE_OK && end.outcome != ENGINE_CANCELLED)
		stats_add(STATS_FETCH_FAILURES, 1);
	transfer_drop_handle(f);
	f->ops->done(f->ctx, &end);
	return end.outcome;
}

void transfer_free(struct fetch *f)
{
	transfer_drop_handle(f);
	curl_slist_free_all(f->fields);
	goodbye_free(f->goodbye);
	message_fini(&f->parsed);
	chunked_fini(&f->chunks);
	buf_fini(&f->head);
	buf_fini(&f->trailers);
	free(f->method);
	free(f->url);
	free(f);
}
