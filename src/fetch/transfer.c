/*
 * From a request to an easy handle, and from the end of that handle to done().
 *
 * Every attempt gets a new easy handle; transfer_begin() says why. The error of an attempt comes from three places, and
 * the first that applies is reported: what our callbacks found (f->failed), what is missing although libcurl is content
 * (transfer_end), and libcurl's own code (outcome_of).
 */
#include "fetch/transfer.h"

#include "base/clock.h"
#include "base/stats.h"
#include "fetch/address_cache.h"
#include "fetch/allow.h"
#include "fetch/close_notify.h"
#include "fetch/named_sites.h"
#include "fetch/parent.h"
#include "fetch/transfer_receive.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 64 << 10, UPLOAD_BYTES = 64 << 10 };

void transfer_setup(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	close_notify_setup();
}

/* socket(), unless the address is not allowed; then *not_allowed is set. Judged here, on the resolved address, so that
 * no name and no redirect gets around it. The address of an upstream proxy or parent is the user's choice. */
static curl_socket_t open_socket(
    const struct transfer_context *t, bool trusted, const struct curl_sockaddr *to, bool *not_allowed)
{
	if (!trusted && t->proxy == NULL && !allow_judge(t->config.allow, &to->addr)) {
		*not_allowed = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Settings of every transfer: protocols, trust, proxy, the address check. */
static void prepare(struct transfer_context *t, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for an abandoned look-up (name_lookups.c) */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, t->proxy != NULL ? t->proxy : ""); /* "": ignore the environment */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (t->config.addresses != NULL)
		address_cache_use(t->config.addresses, easy);
	if (t->cacert != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, t->cacert);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)t->config.limits->connect_timeout_ms);
}

/* CURLOPT_OPENSOCKETFUNCTION. Called for each address of a name in turn, until one connects. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)purpose;
	struct fetch *f = ctx;
	bool not_allowed = false;
	curl_socket_t fd = open_socket(f->shared, f->trusted || f->by_parent, to, &not_allowed);
	name_lookups_found(f->shared->lookups, &f->name);
	if (fd != CURL_SOCKET_BAD)
		origin_sockets_opened(f->shared->sockets, &f->use, fd);
	/* libcurl goes on to the next address of the name after this one has failed. */
	if (not_allowed) {
		f->failed = ENGINE_NOT_ALLOWED;
		f->failed_why = "its address is not public";
	} else if (f->failed == ENGINE_NOT_ALLOWED) {
		f->failed = ENGINE_OK; /* another address of the name is allowed */
	}
	return fd;
}

/* Right before the request is sent. The time to respond begins here. */
static int on_connected(void *ctx, char *to, char *from, int to_port, int from_port)
{
	(void)from;
	struct fetch *f = ctx;
	/* with a SOCKS proxy libcurl may have looked the origin up as well */
	name_lookups_found(f->shared->lookups, &f->name);
	if (f->failed == ENGINE_NOT_ALLOWED)
		f->failed = ENGINE_OK; /* that was another address of the name */
	f->sent = true;
	f->unused = !origin_sockets_use(f->shared->sockets, &f->use, f->easy, to, to_port, from_port);
	transfer_push_deadline(f);
	return f->unused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* The server that the attempt connects to, unless there is an upstream proxy. */
static const char *asked_url(const struct fetch *f)
{
	return f->by_parent ? parent_url(f->shared->config.parent) : f->site != NULL ? f->backend_url : f->url;
}

/* libcurl needs an address that is not in its cache. 0 lets it look the name up; anything else ends the attempt. */
static int on_look_up(void *resolver, void *reserved, void *ctx)
{
	(void)resolver;
	(void)reserved;
	struct fetch *f = ctx;
	/* Before a socket is opened, the name is that of the proxy. Afterwards it is the origin's, for a SOCKS proxy
	 * that takes only addresses. */
	const char *proxy = f->use.fd < 0 ? f->shared->proxy : NULL;
	struct span host = name_lookups_host(proxy != NULL ? proxy : asked_url(f));
	if (!f->shared->config.looks_up && !name_lookups_is_address(host)) {
		f->failed = ENGINE_NO_ADDRESS;
		f->failed_why = "the address of its host is not known";
		return 1;
	}
	enum name_verdict verdict = name_lookups_begin(f->shared->lookups, &f->name, host);
	if (verdict == NAME_FULL) {
		f->failed = ENGINE_BUSY;
		f->failed_why = "too many names are being looked up";
	}
	return verdict != NAME_BEGUN;
}

/* libcurl pauses both directions with one call, so the other one's state is given again. */
void transfer_resume(struct fetch *f, bool receive, bool send)
{
	receive = receive && f->receive_paused;
	send = send && f->send_paused;
	if (!f->active || (!receive && !send))
		return;
	f->receive_paused = f->receive_paused && !receive;
	f->send_paused = f->send_paused && !send;
	transfer_push_deadline(f);
	curl_easy_pause(f->easy, (f->receive_paused ? CURLPAUSE_RECV : 0) | (f->send_paused ? CURLPAUSE_SEND : 0));
}

/* True when the request has this field, with a value or empty ("Name;"). */
static bool has_field(const struct fetch *f, const char *name)
{
	size_t n = strlen(name);
	for (const struct curl_slist *l = f->fields; l != NULL; l = l->next)
		if (strncasecmp(l->data, name, n) == 0 && (l->data[n] == ':' || l->data[n] == ';'))
			return true;
	return false;
}

/* libcurl adds these fields by itself. A proxy sends only what its client sent. */
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

/* A custom method keeps its name, but libcurl must know whether a body goes out and whether one comes back. */
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
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, transfer_on_upload);
		curl_easy_setopt(easy, CURLOPT_READDATA, f);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES);
	}
	if (strcmp(f->method, "GET") != 0 || f->upload_bytes != ENGINE_NO_UPLOAD)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, f->method);
}

/* To the parent and to a backend, Host is that of the URL (RFC 9112 3.2.2). 0, or -1: no memory. */
static int add_host(struct fetch *f)
{
	struct buf line;
	const char *host = strstr(f->url, "://") + 3;
	if ((!f->by_parent && f->site == NULL) || has_field(f, "Host"))
		return 0;
	buf_init(&line, BUF_LINE);
	buf_addf(&line, "Host: %.*s", (int)strcspn(host, "/?"), host);
	struct curl_slist *more = line.failed ? NULL : curl_slist_append(f->fields, buf_str(&line));
	buf_fini(&line);
	if (more == NULL)
		return -1;
	f->fields = more;
	return 0;
}

/* For an HTTP proxy libcurl would write the target again from the parts of the URL and lose an empty query. Only the
 * last proxy writes "*"; those before it write a URL with an empty path (RFC 9112 3.2.4). */
static void set_target(const struct transfer_context *t, struct fetch *f)
{
	const char *proxy = t->proxy;
	char *url = f->site != NULL ? f->backend_url : f->url;
	bool absolute = proxy != NULL && (strstr(proxy, "://") == NULL || strncasecmp(proxy, "http", 4) == 0);
	absolute = f->by_parent || (absolute && strncmp(url, "http://", 7) == 0);
	if (absolute && f->asterisk) {
		char *host = strstr(url, "://") + 3;
		host[strcspn(host, "/")] = '\0';
	}
	if (absolute)
		curl_easy_setopt(f->easy, CURLOPT_REQUEST_TARGET, url);
	else if (f->asterisk)
		curl_easy_setopt(f->easy, CURLOPT_REQUEST_TARGET, "*");
}

/* Credentials that authenticate the connection, not the request (RFC 4559; MS-NLMP). In a list of
 * credentials each member counts. */
static bool binds_connection(const char *line)
{
	static const char *const schemes[] = {"NTLM", "Negotiate", "Kerberos", "Nego2"};
	if (strncasecmp(line, "Authorization:", 14) != 0)
		return false;
	for (const char *at = line + 14; at != NULL; at = strchr(at, ',')) {
		at += strspn(at, ", \t");
		for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
			size_t n = strlen(schemes[i]);
			if (strncasecmp(at, schemes[i], n) == 0 && strchr(", \t", at[n]) != NULL)
				return true;
		}
	}
	return false;
}

struct fetch *transfer_new(
    struct transfer_context *shared, const struct fetch_spec *spec, const struct fetch_ops *ops, void *ctx)
{
	struct fetch *f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	f->shared = shared;
	f->ops = ops;
	f->ctx = ctx;
	f->upload_bytes = spec->upload_bytes;
	f->site = spec->site;
	f->trusted = spec->trusted || spec->site != NULL;
	f->idempotent = spec->idempotent;
	f->tunnel = spec->tunnel;
	f->asterisk = spec->asterisk;
	f->again = spec->again;
	f->minor = 1;
	f->use.fd = -1;
	message_init(&f->parsed);
	buf_init(&f->head, BUF_HEAD);
	buf_init(&f->trailers, BUF_HEAD);
	chunked_init(&f->chunks);
	f->method = strdup(spec->method);
	f->url = strdup(spec->url);
	struct span rest = spec->fields;
	bool ok = f->method != NULL && f->url != NULL;
	while (ok && rest.len > 0) {
		const char *nl = memchr(rest.at, '\n', rest.len);
		size_t n = nl != NULL ? (size_t)(nl - rest.at) : rest.len;
		char line[MESSAGE_HEAD_MAX];
		if (n + 2 <= sizeof line && n > 0) {
			memcpy(line, rest.at, n);
			line[n] = '\0';
			f->binds_connection = f->binds_connection || binds_connection(line);
			char *colon = strchr(line, ':');
			if (colon != NULL && colon[1 + strspn(colon + 1, " \t")] == '\0') {
				colon[0] = ';'; /* for libcurl a semicolon means: present and empty */
				colon[1] = '\0';
			}
			struct curl_slist *more = curl_slist_append(f->fields, line);
			ok = more != NULL;
			if (ok)
				f->fields = more;
		}
		rest = span_from(rest, nl != NULL ? n + 1 : n);
	}
	if (!ok) {
		transfer_free(f);
		return NULL;
	}
	return f;
}

/* When a kept connection turns out dead, libcurl sends the request again on another one. That is wrong for methods that
 * are not idempotent (RFC 9110 9.2.2): those get a fresh connection, which is closed afterwards. So do requests that
 * authenticate their connection. Both use HTTP/1.1, because other transfers could share an HTTP/2 connection. */
static void choose_connection(struct fetch *f)
{
	if (f->asked_fresh || !f->idempotent || f->binds_connection)
		curl_easy_setopt(f->easy, CURLOPT_FRESH_CONNECT, 1L);
	if (!f->idempotent || f->binds_connection) {
		curl_easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L);
		curl_easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	}
}

/* 0, or -1: no memory. */
static int choose_backend(struct fetch *f)
{
	if (f->site == NULL)
		return 0;
	free(f->backend_url);
	f->backend = named_site_choose(f->site, f->left_backends, clock_ms());
	f->backend_url = named_site_url(&f->site->backends[f->backend], f->url);
	return f->backend_url != NULL ? 0 : -1;
}

int transfer_begin(struct fetch *f)
{
	struct transfer_context *t = f->shared;
	/* Never a handle that was used before: when a first field line begins with a blank, libcurl before 8.2 appends
	 * it to the last field of the earlier transfer, whose memory is freed. */
	f->easy = curl_easy_init();
	f->by_parent = t->config.parent != NULL && f->site == NULL && !f->tunnel && !f->left_parent &&
		       parent_is_up(t->config.parent, clock_ms());
	if (f->easy == NULL || choose_backend(f) != 0 || silence_defaults(f) != 0 || add_host(f) != 0)
		return -1;
	prepare(t, f->easy);
	curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_CLOSESOCKETFUNCTION, origin_sockets_close);
	curl_easy_setopt(f->easy, CURLOPT_CLOSESOCKETDATA, t->sockets);
	curl_easy_setopt(f->easy, CURLOPT_RESOLVER_START_FUNCTION, on_look_up);
	curl_easy_setopt(f->easy, CURLOPT_RESOLVER_START_DATA, f);
	curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
	curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->error);
	curl_easy_setopt(f->easy, CURLOPT_URL, asked_url(f));
	f->use.fd = -1;
	f->unused = f->sent = false;
	f->error[0] = '\0';         /* an earlier attempt may have left one */
	f->deadline_ms = INT64_MAX; /* until it is connected, libcurl's own limit holds */
	if (f->tunnel) {
		curl_easy_setopt(f->easy, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(f->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
		return 0;
	}
	curl_easy_setopt(f->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->fields);
	curl_easy_setopt(f->easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
	curl_easy_setopt(f->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L); /* else an unknown transfer coding fails */
	curl_easy_setopt(f->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
	curl_easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, transfer_receive_head);
	curl_easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, transfer_receive_body);
	curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	choose_connection(f);
	set_method(f);
	set_target(t, f);
	curl_easy_setopt(f->easy, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(f->easy, CURLOPT_PREREQDATA, f);
	return 0;
}

/* True when an upstream proxy failed, and not the host that it connects to. */
static bool is_proxys_fault(const char *proxy, CURL *easy, CURLcode code)
{
	long status = 0; /* of the proxy's response to CONNECT; 0: none */
	curl_off_t connected_us = 0, ready_us = 0;
	if (proxy == NULL || easy == NULL)
		return false;
	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
	curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT: /* to the proxy: nothing else is connected to */
	case CURLE_PROXY:
		return true;
	case CURLE_OPERATION_TIMEDOUT:
		return connected_us <= 0;
	case CURLE_RECV_ERROR:
		/* it refused CONNECT, or closed the connection without a response */
		return status >= 300 || (status == 0 && ready_us <= 0);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return strncasecmp(proxy, "https:", 6) == 0 && status == 0;
	default:
		return false;
	}
}

/* Before the head, the proxy may be the one that failed. After the head, an error means a body that broke off. */
static enum engine_outcome outcome_of(const struct fetch *f, CURLcode code)
{
	bool head_done = f->head_done;
	if (!head_done && is_proxys_fault(f->shared->proxy, f->easy, code))
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
		return ENGINE_NO_MEMORY;
	default:
		return ENGINE_BROKEN;
	}
}

/* -1: not known. */
static double info_ms(CURL *easy, CURLINFO what)
{
	curl_off_t us = -1;
	if (easy == NULL || curl_easy_getinfo(easy, what, &us) != CURLE_OK || us < 0)
		return -1;
	return (double)us / 1000;
}

/* libcurl's codes for a connection that ended: those of HTTP/1 first, then those of HTTP/2. */
static bool is_broken_off(CURLcode code)
{
	return code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
	       code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_PARTIAL_FILE;
}

/* NUM_CONNECTS is 0 when every connection of the attempt was a kept one. Only then can the origin have closed it before
 * it read the request (RFC 9112 9.3.1), so a second attempt is made, once, on a fresh connection. */
bool transfer_is_repeated(struct fetch *f, CURLcode code)
{
	long connects = 1;
	if (f->unused)
		return true;
	if (f->asked_fresh || !f->idempotent || f->tunnel || f->upload_bytes != ENGINE_NO_UPLOAD || f->use.taken > 0 ||
	    f->head_done || f->failed != ENGINE_OK)
		return false;
	if (!is_broken_off(code))
		return false;
	curl_easy_getinfo(f->easy, CURLINFO_NUM_CONNECTS, &connects);
	f->asked_fresh = connects == 0;
	return f->asked_fresh;
}

/* True when the server that was asked cannot be reached or did not respond, and the request may be sent to another. */
static bool is_lost(const struct fetch *f, CURLcode code)
{
	bool repeatable = f->idempotent && f->upload_bytes == ENGINE_NO_UPLOAD;
	bool lost = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
		    code == CURLE_OPERATION_TIMEDOUT || is_broken_off(code);
	return lost && f->failed == ENGINE_OK && f->use.taken == 0 && !f->head_done && (!f->sent || repeatable);
}

bool transfer_goes_elsewhere(struct fetch *f, CURLcode code)
{
	const char *why = f->sent ? "it did not respond" : "it cannot be reached";
	if ((!f->by_parent && f->site == NULL) || !is_lost(f, code))
		return false;
	if (f->by_parent) {
		parent_failed(f->shared->config.parent, clock_ms(), why);
		f->left_parent = true;
		return true;
	}
	named_site_failed(f->site, f->backend, clock_ms(), why);
	f->left_backends |= 1u << f->backend;
	return named_site_choose(f->site, f->left_backends, clock_ms()) >= 0;
}

void transfer_drop_handle(struct fetch *f)
{
	if (f->easy == NULL)
		return;
	/* Before libcurl may give the connection to another transfer. */
	origin_sockets_leave(f->shared->sockets, &f->use);
	curl_multi_remove_handle(f->shared->multi, f->easy);
	curl_easy_cleanup(f->easy);
	f->easy = NULL;
}

/* The socket of a tunnel outlives the transfer: libcurl closes its own, and the receiver gets a duplicate. */
static int take_socket(struct fetch *f)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	if (!f->tunnel || f->easy == NULL)
		return -1;
	curl_easy_getinfo(f->easy, CURLINFO_ACTIVESOCKET, &fd);
	return fd != CURL_SOCKET_BAD ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

void transfer_end(struct fetch *f, CURLcode code)
{
	code = f->whole ? CURLE_OK : code;
	struct engine_end end = {
	    .outcome = outcome_of(f, code), .curl_code = (int)code, .fd = code == CURLE_OK ? take_socket(f) : -1};
	end.message = f->error[0] != '\0' ? f->error : curl_easy_strerror(code);
	/* libcurl is content when the connection ends; the head and the framing decide whether the body is whole. */
	bool whole = f->left <= 0 && (!f->dechunk || f->dechunked) && !close_notify_is_missing(f->close_notify);
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
	/* libcurl's code for a line of more than 100 KB */
	if (code == CURLE_OUT_OF_MEMORY && !f->head_done && f->easy != NULL) {
		end.outcome = ENGINE_BAD;
		end.curl_code = CURLE_WEIRD_SERVER_REPLY;
		end.message = "a line of its head is too large";
	}
	/* Borrowed: valid until done() has returned. */
	end.trailers = f->dechunk ? buf_span(&f->chunks.trailers) : buf_span(&f->trailers);
	end.dns_ms = info_ms(f->easy, CURLINFO_NAMELOOKUP_TIME_T);
	end.connect_ms = info_ms(f->easy, CURLINFO_CONNECT_TIME_T);
	end.ttfb_ms = info_ms(f->easy, CURLINFO_STARTTRANSFER_TIME_T);
	end.total_ms = info_ms(f->easy, CURLINFO_TOTAL_TIME_T);
	if (end.outcome != ENGINE_OK && end.outcome != ENGINE_CANCELLED && end.outcome != ENGINE_NO_ADDRESS)
		stats_add(STATS_FETCH_FAILURES, 1);
	/* Before done(): a fetch that the receiver starts there may reuse the connection. */
	transfer_drop_handle(f);
	f->ops->done(f->ctx, &end);
}

void transfer_free(struct fetch *f)
{
	transfer_drop_handle(f);
	curl_slist_free_all(f->fields);
	close_notify_free(f->close_notify);
	message_fini(&f->parsed);
	chunked_fini(&f->chunks);
	buf_fini(&f->head);
	buf_fini(&f->trailers);
	free(f->method);
	free(f->url);
	free(f->backend_url);
	free(f);
}
