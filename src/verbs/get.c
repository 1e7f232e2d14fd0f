/*
 * curlew get URL uses the code of the server, with standard output in place of a client. It writes a request as a
 * client would, the request is parsed and dispatched like any other, and the response comes to the sink below. A failed
 * transfer has the exit status of curl.
 */
#include "verbs/verbs.h"

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "fetch/engine.h"
#include "fetch/named_sites.h"
#include "proxy/cache_attempt.h"
#include "proxy/dispatch.h"
#include "proxy/exchange.h"
#include "proxy/options.h"
#include "proxy/origin_fields.h"
#include "proxy/site_target.h"
#include "verbs/download.h"
#include "verbs/header_option.h"
#include "verbs/listing.h"
#include "verbs/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
	HOPS = 20,
	CURL_WRITE = 23,
	CURL_TIMEOUT = 28,
	CURL_HTTP = 22,
	CURL_PARTIAL = 18,
	CURL_RANGE = 33,
	CURL_URL = 3,
	CURL_REDIRECTS = 47
};

struct get {
	struct sink sink; /* first */
	const struct conf *conf;
	struct exchange *x;
	struct download out;
	struct buf heads; /* -i: heads, held until the body begins */
	bool own;         /* the response is synthetic: its body is printed on stderr */
	bool drop;        /* the body is not printed: -f, or a redirect that is followed */
	bool no_body;     /* HEAD, 204, 304 */
	bool progress;
	int status;
	int code; /* exit status, as of curl; 0 so far */
	int64_t expected, received;
	double began, shown;
	char *location; /* of a redirect, to be followed */
};

static struct get *of(struct sink *s)
{
	return (struct get *)(void *)s;
}

/* Writes held heads first. */
static int write_body(struct get *g, const char *bytes, size_t n)
{
	int rc = g->heads.len > 0 ? download_write(&g->out, buf_str(&g->heads), g->heads.len) : 0;
	buf_clear(&g->heads);
	if (rc == 0)
		rc = download_write(&g->out, bytes, n);
	if (rc == 0)
		return 0;
	log_say("get: %s: %s", g->out.path != NULL ? g->out.path : "standard output", strerror(errno));
	g->code = CURL_WRITE;
	return -1;
}

/* --- progress --- */

/* The columns of the terminal minus one, so that the line does not wrap; 79 if unknown. */
static int columns(void)
{
	struct winsize size;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

/* The progress line appears after one second. */
static void show_progress(struct get *g, bool last)
{
	double now = clock_s();
	char line[256];
	if (!g->progress || (g->shown == 0 && (last || now - g->began < 1)) || (!last && now - g->shown < 0.2))
		return;
	g->shown = now;
	fprintf(stderr, "\r%s\033[K",
	    progress_line(line, sizeof line, columns(), g->received, g->expected, now - g->began));
	if (last)
		fputc('\n', stderr);
}

/* --- the sink --- */

static int sink_interim(struct sink *s, int status, struct span fields)
{
	(void)s;
	(void)status;
	(void)fields;
	return 0;
}

static void print_verbose(struct span text, char mark)
{
	struct span line;
	while (span_next_line(&text, &line)) {
		fprintf(stderr, "%c ", mark);
		listing_clean(stderr, line.at, line.len);
		fputc('\n', stderr);
	}
}

/* A URL as a person types it; with --origin (not NULL) also a path. NULL: neither. */
static char *read_url(const char *origin, const char *scheme, const char *text)
{
	char *joined = NULL;
	if (origin == NULL || text[0] != '/')
		return key_of_url(text, scheme);
	size_t n = strlen(origin);
	if (asprintf(&joined, "%.*s%s", (int)(n > 0 && origin[n - 1] == '/' ? n - 1 : n), origin, text) < 0)
		return NULL;
	char *url = key_of_url(joined, scheme);
	free(joined);
	return url;
}

/* The target of the request for the URL; with --origin its path. NULL: it is not a URL of that origin. */
static const char *target_of(const struct context *s, const char *url)
{
	size_t n = s->origin != NULL ? strlen(s->origin) : 0;
	if (s->sites != NULL) {
		const char *path = strstr(url, "://") + 3;
		return path + strcspn(path, "/?");
	}
	if (n == 0)
		return url;
	return strncmp(url, s->origin, n) == 0 && (url[n] == '/' || url[n] == '?') ? url + n : NULL;
}

static void find_redirect(struct get *g, const struct response_head *r)
{
	struct head h;
	if (!conf_flag(g->conf, "location") || r->status < 301 || r->status > 308 || r->status == 304)
		return;
	message_init(&h);
	if (message_parse_fields(&h, r->fields) == 0) {
		struct span to = message_find(&h, "Location");
		if (to.at != NULL && r->location != NULL && g->x->site != NULL)
			to = span_of(r->location); /* it named a server of the site */
		if (to.at != NULL)
			g->location = key_resolve(g->x->target.url, to);
		g->drop = g->location != NULL;
	}
	message_fini(&h);
}

static int sink_begin(struct sink *s, const struct response_head *r)
{
	struct get *g = of(s);
	struct buf head;
	int rc = 0;
	g->own = g->x->outcome != ENGINE_OK || r->via == NULL;
	if (g->own)
		return 0;
	g->status = r->status;
	g->no_body = r->no_body || response_head_is_bodiless(r->status);
	g->expected = g->no_body ? -1 : r->body_bytes;
	bool refused_range = r->status == 416 && g->out.path != NULL; /* what came with it is no part of the file */
	if (refused_range || (conf_flag(g->conf, "fail") && r->status >= 400)) {
		g->drop = true;
		g->code = refused_range ? CURL_RANGE : CURL_HTTP;
	}
	find_redirect(g, r);
	bool heads_only = conf_flag(g->conf, "head");
	buf_init(&head, BUF_HEAD);
	response_head_write(&head, r);
	if (r->body_bytes >= 0 && !response_head_is_bodiless(r->status))
		buf_addf(&head, "Content-Length: %" PRId64 "\r\n", r->body_bytes);
	buf_adds(&head, "\r\n");
	if (conf_flag(g->conf, "verbose"))
		print_verbose(buf_span(&head), '<');
	if (conf_flag(g->conf, "include") || heads_only)
		buf_addspan(&g->heads, buf_span(&head));
	/* A file is not opened before the body arrives, unless only the head is printed. */
	if (g->out.path == NULL || (heads_only && !g->drop))
		rc = write_body(g, "", 0);
	buf_fini(&head);
	return rc;
}

static int sink_bytes(struct sink *s, const char *bytes, size_t n)
{
	struct get *g = of(s);
	if (g->own) {
		if (!conf_flag(g->conf, "silent"))
			log_say("get: %.*s", (int)(n > 0 && bytes[n - 1] == '\n' ? n - 1 : n), bytes);
		return 0;
	}
	g->received += (int64_t)n;
	show_progress(g, false);
	return g->drop ? 0 : write_body(g, bytes, n);
}

static int sink_file(struct sink *s, int fd, int64_t at, int64_t n)
{
	static char page[256 << 10];
	while (n > 0) {
		ssize_t got = pread(fd, page, n < (int64_t)sizeof page ? (size_t)n : sizeof page, at);
		if (got <= 0) {
			of(s)->code = CURL_PARTIAL;
			return -1;
		}
		if (sink_bytes(s, page, (size_t)got) != 0)
			return -1;
		at += got;
		n -= got;
	}
	return 0;
}

static int sink_flush(struct sink *s)
{
	show_progress(of(s), false);
	return 0;
}

static int sink_end(struct sink *s, struct span trailers)
{
	(void)trailers;
	struct get *g = of(s);
	show_progress(g, true);
	if (g->own || g->drop || g->no_body || g->status / 100 != 2)
		return 0;
	return write_body(g, "", 0); /* an empty body makes an empty file */
}

static void sink_cut(struct sink *s)
{
	struct get *g = of(s);
	show_progress(g, true);
	if (g->code == 0)
		g->code = CURL_PARTIAL;
	if (!conf_flag(g->conf, "silent"))
		log_say("get: %s: broke off after %" PRId64 " bytes", g->x->target.url, g->received);
}

static bool sink_gone(void *s)
{
	struct get *g = of(s);
	double most = conf_seconds(g->conf, "max-time");
	show_progress(g, false);
	if (most <= 0 || clock_s() - g->began < most)
		return false;
	g->code = CURL_TIMEOUT;
	return true;
}

static void sink_go_on(struct sink *s)
{
	(void)s;
}

/* --- one request --- */

/* Fields that identify the user. They are for the origin of the command line, not for one that it redirects to. */
static bool is_secret(const char *line)
{
	static const char *const names[] = {"Authorization:", "Cookie:", "Proxy-Authorization:"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* typed: the URL of the command line. */
static int write_request(
    const struct conf *conf, const char *typed, const char *url, const char *target, struct buf *out)
{
	bool agent = false, accept = false;
	buf_addf(out, "%s %s HTTP/1.1\r\n", conf_flag(conf, "head") ? "HEAD" : "GET", target);
	const char *host = strstr(url, "//") + 2;
	buf_adds(out, "Host: ");
	buf_add(out, host, strcspn(host, "/?"));
	buf_adds(out, "\r\n");
	for (size_t i = 0; conf_item(conf, "header", i) != NULL; i++) {
		const char *line = conf_item(conf, "header", i);
		if (is_secret(line) && !key_same_origin(typed, url))
			continue;
		agent = agent || strncasecmp(line, "User-Agent:", 11) == 0;
		accept = accept || strncasecmp(line, "Accept:", 7) == 0;
		buf_addf(out, "%s\r\n", line);
	}
	if (!agent)
		buf_addf(out, "User-Agent: curlew/%s\r\n", CURLEW_VERSION);
	if (!accept)
		buf_adds(out, "Accept: */*\r\n");
	buf_adds(out, "\r\n");
	return out->failed ? -1 : 0;
}

static int read_target(struct exchange *x, const char *url, struct fault *fault)
{
	const struct head *h = x->request;
	return x->context->sites != NULL
		   ? site_target_of_url(x, url, fault)
		   : key_of_target(&x->options->key_settings, h->method, h->target, &x->target, fault);
}

/* The value of --origin; NULL: there is none, or it has a name. */
static const char *plain_origin(const struct conf *conf)
{
	const char *origin = conf_item(conf, "origin", 0);
	return origin != NULL && !named_sites_is_named(origin) ? origin : NULL;
}

/* Returns the exit status. g->location: a redirect to follow. */
static int get_one(struct context *context, struct get *g, const char *typed, const char *url)
{
	struct buf text;
	struct head head;
	struct fault fault = {0, "the request cannot be written"};
	struct cache_attempt attempt;
	struct exchange x = {.context = context,
	    .options = options_now(context),
	    .request = &head,
	    .sink = &g->sink,
	    .attempt = &attempt,
	    .now = (int64_t)time(NULL)};
	/* The request is this machine's own: its fields of -H are believed. */
	cidr_parse_address(span_of("127.0.0.1"), &x.client.at);
	x.client.other = x.client.peer = x.client.at;
	x.client.front = true;
	buf_init(&text, BUF_HEAD);
	message_init(&head);
	g->x = &x;
	g->drop = false;
	int code = 2;
	const char *target = target_of(context, url);
	if (target == NULL) {
		log_say("get: %s: not a URL of the origin %s (leave out --origin)", url, context->origin);
		code = CURL_URL;
		goto out;
	}
	if (write_request(g->conf, typed, url, target, &text) != 0)
		goto out;
	if (message_parse_request(&head, buf_span(&text), &fault) != MESSAGE_WHOLE ||
	    read_target(&x, url, &fault) != 0) {
		log_say("get: %s: %s", url, fault.why);
		code = CURL_URL;
		goto out;
	}
	if (origin_fields_rewrite(&x, &head, &fault) != 0) {
		log_say("get: %s: %s", url, fault.why);
		key_fini(&x.target);
		goto out;
	}
	if (conf_flag(g->conf, "verbose"))
		print_verbose(buf_span(&text), '>');
	dispatch_route(&x);
	code = g->code != 0 ? g->code : x.outcome != ENGINE_OK ? (x.curl_code != 0 ? x.curl_code : 7) : 0;
	if (code == 0 && g->own)
		code = CURL_HTTP; /* 504: not stored, and the origin must not be contacted */
	if (code == CURL_TIMEOUT && x.outcome == ENGINE_OK && !conf_flag(g->conf, "silent"))
		log_say("get: %s: stopped after --max-time", url);
	key_fini(&x.target);
out:
	site_target_end(&x);
	origin_fields_end(&x);
	message_fini(&head);
	buf_fini(&text);
	return code;
}

static int get_all(struct context *context, const struct conf *conf, const char *url)
{
	struct get g = {
	    .sink = {sink_interim, sink_begin, sink_bytes, sink_file, sink_flush, sink_end, sink_cut, sink_gone,
		sink_go_on},
	    .conf = conf,
	    .expected = -1,
	    .began = clock_s(),
	};
	download_init(&g.out, conf_text(conf, "output"));
	buf_init(&g.heads, BUF_HEAD);
	g.progress =
	    !conf_flag(conf, "silent") && isatty(STDERR_FILENO) && (g.out.path != NULL || !isatty(STDOUT_FILENO));
	char *next = strdup(url);
	int code = 0;
	for (int hop = 0; next != NULL; hop++) {
		code = get_one(context, &g, url, next);
		free(next);
		next = g.location;
		g.location = NULL;
		if (hop == HOPS && next != NULL) {
			log_say("get: %s: more than %d redirects", url, HOPS);
			code = CURL_REDIRECTS;
			free(next);
			next = NULL;
		}
	}
	if ((code == CURL_HTTP || code == CURL_RANGE) && !g.own && !conf_flag(conf, "silent"))
		log_say("get: %s: status %d", url, g.status);
	if (code == 0 && download_commit(&g.out) != 0) {
		log_say("get: %s: %s", g.out.path, strerror(errno));
		code = CURL_WRITE;
	}
	download_fini(&g.out);
	buf_fini(&g.heads);
	return code;
}

int verb_get(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_GET, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = 2;
	struct buf why;
	struct context context;
	char *url = NULL;
	buf_init(&why, BUF_LINE);
	signal(SIGPIPE, SIG_IGN);
	if (conf_operands(conf) != 1) {
		log_say("get: one URL is needed (see `curlew get --help`)");
	} else if (!header_option_check(conf, "get")) {
		status = 2;
	} else if ((url = read_url(plain_origin(conf), conf_text(conf, "default-scheme"), conf_operand(conf, 0))) ==
		   NULL) {
		log_say("get: '%s' is not an http or https URL", conf_operand(conf, 0));
		status = CURL_URL;
	} else if ((status = context_open(&context, conf, &why)) != 0) {
		log_say("%s", buf_str(&why));
	} else {
		status = get_all(&context, conf, url);
		context_close(&context);
	}
	free(url);
	buf_fini(&why);
	conf_free(conf);
	return status;
}
