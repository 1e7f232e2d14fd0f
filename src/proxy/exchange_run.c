/*
 * The head, and the body as far as it has arrived, stay in conn->in until the response has been sent: the request, its
 * fields and its body are spans of that buffer.
 */
#include "proxy/exchange_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "proxy/access.h"
#include "proxy/browser.h"
#include "proxy/cache_attempt.h"
#include "proxy/dispatch.h"
#include "proxy/http1_writer.h"
#include "proxy/origin_fields.h"
#include "proxy/ramcache.h"
#include "proxy/request_body.h"
#include "proxy/site_target.h"

#include <stdlib.h>
#include <time.h>

struct exchange_run {
	struct exchange x;
	struct conn *conn;
	struct head head;
	bool malformed;
	struct fault fault; /* of a malformed request */
	struct http1_writer writer;
	struct request_body body;
	struct cache_attempt attempt;
	bool takes_share; /* x.limit was taken for this request */
	int64_t began_us;
};

/* --- begin --- */

/* The request at the front of conn->in. NULL: its head is not whole, or *failed: no memory. */
static struct exchange_run *run_new(struct conn *c, const struct exchange_loop *loop, bool *failed)
{
	struct exchange_run *run = malloc(sizeof *run);
	*failed = run == NULL;
	if (run == NULL)
		return NULL;
	message_init(&run->head);
	enum message_parsed parsed = message_parse_request(&run->head, buf_span(&c->in), &run->fault);
	if (parsed == MESSAGE_MORE) {
		message_fini(&run->head);
		free(run);
		return NULL;
	}
	run->conn = c;
	run->malformed = parsed != MESSAGE_WHOLE;
	run->began_us = clock_us();
	run->attempt.reader = NULL;
	const struct head *head = run->malformed ? NULL : &run->head;
	bool keep = head != NULL && message_keeps_alive(head) && !atomic_load(c->draining);
	http1_writer_init(&run->writer, c->fd, c->local, head != NULL ? head->minor : 1, keep);
	run->writer.blocks = loop == NULL;
	run->x = (struct exchange){.context = c->context,
	    .options = options_now(c->context),
	    .request = head,
	    .sink = &run->writer.sink,
	    .admin = c->admin,
	    .loop = loop,
	    .attempt = &run->attempt,
	    .now = (int64_t)time(NULL)};
	if (head != NULL)
		client_read(run->x.options->fronts, c, head, &run->x.client);
	/* The connection holds the share of its peer; that of a client whom a front names is taken for this request. */
	run->takes_share = run->x.client.named && limits_rates(&run->x.options->limits);
	run->x.limit = run->takes_share ? client_limits_take(c->context->limits, &run->x.client.at) : c->limit;
	run->writer.limit = run->x.limit;
	run->writer.bandwidth = c->admin ? 0 : run->x.options->limits.bandwidth;
	return run;
}

static void begin(struct exchange_run *run)
{
	struct exchange *x = &run->x;
	struct conn *c = run->conn;
	if (!run->malformed && framing_of_request(&run->head, &x->framing, &x->length, &run->fault) != 0)
		run->malformed = true;
	if (run->malformed) {
		static const struct fault header = {
		    400, "a PROXY protocol header, but --proxy-protocol-from does not list the sender"};
		run->writer.keep = false;
		dispatch_refuse(x, proxy_header_begins(buf_span(&c->in)) ? &header : &run->fault);
		return;
	}
	request_body_init(&run->body, c, run->head.bytes, x->framing, x->length);
	x->body = &run->body;
	if (!access_refuses(x, c))
		dispatch(x, c, &run->writer, &run->head);
}

/* --- end --- */

/* A request body that the handler did not read must be read before the next request, which follows it. */
static void skip_body(struct exchange *x)
{
	struct span data;
	if (x->close || x->body == NULL)
		return;
	if (!request_body_is_here(x->body)) {
		x->close = true;
		return;
	}
	while (request_body_next(x->body, &data) == REQUEST_BODY_DATA)
		;
}

static void log_exchange(const struct exchange *x, const struct conn *c, const struct http1_writer *a, int64_t took_us)
{
	if (!log_access_wanted())
		return;
	char client[CONN_PEER];
	if (x->request != NULL)
		client_print(&x->client, client);
	else
		conn_peer(c, client);
	struct span line = {"", 0};
	if (x->request != NULL && x->request->method.at != NULL)
		line = message_request_line(x->request);
	struct log_access entry = {
	    .client = span_of(client),
	    .user = span_of(x->user),
	    .request_line = line,
	    .referer = x->request != NULL ? message_find(x->request, "Referer") : line,
	    .user_agent = x->request != NULL ? message_find(x->request, "User-Agent") : line,
	    .status = x->status,
	    .body_bytes = a->body_sent + x->tunnel_bytes,
	    .verdict = span_of(x->verdict),
	    .took_us = took_us,
	};
	log_access(&entry, x->now);
}

static void run_free(struct exchange_run *run)
{
	if (run->takes_share)
		client_limits_drop(run->x.context->limits, run->x.limit);
	key_fini(&run->x.target);
	browser_end(&run->x);
	site_target_end(&run->x);
	origin_fields_end(&run->x);
	if (run->x.body != NULL)
		request_body_fini(run->x.body);
	http1_writer_fini(&run->writer);
	message_fini(&run->head);
	free(run);
}

/* After the response: writes the log, removes the request from conn->in, and frees the run. True: the connection may
 * carry another request. */
static bool end(struct exchange_run *run)
{
	struct exchange *x = &run->x;
	struct conn *c = run->conn;
	stats_add(STATS_REQUESTS, 1);
	c->paid = false;
	skip_body(x);
	log_exchange(x, c, &run->writer, clock_us() - run->began_us);
	if (x->ramcache != NULL)
		ramcache_offer(c->context->ramcache, x, x->ramcache);
	bool keep = run->writer.keep && !run->writer.failed && !x->close;
	c->reset = run->writer.cut && run->writer.until_close;
	if (keep) { /* not earlier: the head and the body point into the buffer */
		buf_consume(&c->in, run->head.bytes + run->body.consumed);
		keep = buf_addspan(&c->in, request_body_beyond(&run->body)) == 0;
	}
	if (run->writer.unsent.len > 0 && !run->writer.failed) {
		c->rest_bytes = run->writer.unsent.len;
		c->rest = buf_take(&run->writer.unsent);
		c->last = !keep;
	}
	run_free(run);
	return keep;
}

static struct exchange_run *take(struct conn *c)
{
	struct exchange_run *run = c->run;
	c->run = NULL;
	return run;
}

/* --- on a pool thread --- */

void exchange_run_on_pool(struct work *work)
{
	struct conn *c = conn_of_work(work);
	bool failed = false;
	bool keep = conn_send_rest(c) == 0 && !c->last;
	struct exchange_run *run = take(c);
	if (run != NULL) {
		dispatch_continue(&run->x);
		keep = end(run);
	}
	while (keep && (run = run_new(c, NULL, &failed)) != NULL) {
		begin(run);
		keep = end(run);
	}
	c->release(c, keep && !failed); /* from here on another thread may own the connection */
}

/* --- on an event loop --- */

enum exchange_begun exchange_run_begin(struct conn *c, const struct exchange_loop *loop)
{
	bool failed;
	struct exchange_run *run = run_new(c, loop, &failed);
	if (run == NULL)
		return EXCHANGE_BEGUN_FOR_POOL;
	begin(run);
	c->run = run;
	switch (run->x.state) {
	case EXCHANGE_OVER:
		return EXCHANGE_BEGUN_OVER;
	case EXCHANGE_WAITS:
		return EXCHANGE_BEGUN_WAITS;
	case EXCHANGE_PLANNED:
		exchange_run_leave_loop(c);
		break;
	case EXCHANGE_UNSERVED:
		run_free(take(c));
		break;
	}
	return EXCHANGE_BEGUN_FOR_POOL;
}

enum flight_progress exchange_run_progress(const struct conn *c)
{
	return flight_reader_progress(c->run->attempt.reader, EXCHANGE_RUN_BODY);
}

bool exchange_run_end(struct conn *c)
{
	struct exchange_run *run = take(c);
	if (run->x.state != EXCHANGE_OVER) {
		run->writer.keep = run->writer.keep && !atomic_load(c->draining);
		dispatch_continue(&run->x);
	}
	return end(run);
}

void exchange_run_leave_loop(struct conn *c)
{
	if (c->run == NULL)
		return;
	if (c->run->attempt.reader != NULL)
		flight_reader_block(c->run->attempt.reader);
	c->run->x.loop = NULL;
	c->run->writer.blocks = true;
}

void exchange_run_abandon(struct conn *c)
{
	struct exchange_run *run = take(c);
	if (run == NULL)
		return;
	stats_add(STATS_REQUESTS, 1);
	dispatch_abandon(&run->x);
	run_free(run);
}
