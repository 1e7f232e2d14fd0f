/*
 * A wake-up has three steps, and their order is what keeps hits from memory true:
 *
 * 1. Receive: take the bytes of every ready connection, into a slice of memory that lasts for this wake-up, or into
 *    conn->in if the connection has the beginning of a request there.
 * 2. Look: read the clocks and the change counter, once for all of them.
 * 3. Respond: send what fetches have brought, then hits from memory; begin plain misses; keep the beginning of a head
 *    for later; give everything else to the pool.
 *
 * Step 2 comes after step 1: a commit that is older than a request which has arrived is then older than the look.
 *
 * Nothing here blocks: sockets are read and written with MSG_DONTWAIT (they are blocking ones, for the pool threads),
 * and the index is only read.
 */
#include "server/loop.h"

#include "base/stats.h"
#include "base/thread.h"
#include "fetch/flight_engine.h"
#include "http/request_scan.h"
#include "net/listeners.h"
#include "proxy/options.h"
#include "server/loop_accept.h"
#include "server/loop_admit.h"
#include "server/loop_conns.h"
#include "server/loop_handover.h"
#include "server/loop_health.h"
#include "server/loop_hit.h"
#include "server/loop_miss.h"
#include "server/loop_shortage.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* RECEIVED_MOST: of one wake-up, the connections that are accepted in it included. */
enum {
	EVENTS = 64,
	RECEIVED_MOST = 2 * EVENTS,
	SLICE_BYTES = 8 << 10,
	TICK_MS = 1000,
	LINGER_S = 2,
	GRACE_MS = 1000,
	DRAIN_TICK_MS = 50
};

struct received {
	struct conn *conn;
	struct span bytes; /* in a slice, or all of conn->in */
	bool all;          /* nothing more had arrived */
};

/* --- receiving --- */

/* Receives what has arrived. False: there is nothing to respond to; the connection may have ended, and is closed then.
 */
static bool receive(struct loop *l, struct conn *c, char *slice, struct received *r)
{
	if (c->run != NULL) {
		loop_miss_give_to_pool(l, c);
		return false;
	}
	bool appends = c->in.len > 0;
	char *to = appends ? buf_room(&c->in, SLICE_BYTES) : slice;
	ssize_t n = to == NULL ? 0 : recv(c->fd, to, SLICE_BYTES, MSG_DONTWAIT);
	bool spurious = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (n <= 0 && !spurious) {
		loop_conns_close(l, c);
		return false;
	}
	if (spurious && loop_conns_is_new(c)) {
		loop_conns_share(c, false);
		return false;
	}
	if (spurious || c->lingers) /* a connection that lingers has had its last response: its bytes are discarded */
		n = 0;
	r->conn = c;
	r->all = n < SLICE_BYTES;
	r->bytes = span_make(slice, (size_t)n);
	if (appends) {
		buf_grew(&c->in, (size_t)n);
		r->bytes = buf_span(&c->in);
	}
	return r->bytes.len > 0;
}

/* Accepts what waits at a listener, and receives at once what each connection has sent already, which is most often its
 * first request. Returns how many have. */
static size_t accept_ready(struct loop *l, int listener, char *slices, struct received *got, size_t room)
{
	size_t count = 0;
	struct conn *c;
	while (count < room && (c = loop_accept_next(l, listener)) != NULL)
		if (receive(l, c, slices + count * SLICE_BYTES, &got[count]))
			count++;
	l->more_waits = l->more_waits || count == room;
	return count;
}

/* The loop that accepted the connection has received its first bytes, and gave them to this loop with it. */
static void take_shared(struct loop *l, struct conn *c, struct received *r)
{
	loop_conns_await_input(l, c);
	*r = (struct received){.conn = c, .bytes = buf_span(&c->in), .all = false};
}

/* --- responding --- */

/* Bytes that are not a plain request. True: a whole head, or a malformed one: a pool thread must respond. False: the
 * beginning of a head: wait for the rest. */
static bool is_for_pool(struct span bytes)
{
	struct head h;
	struct fault fault;
	message_init(&h);
	enum message_parsed parsed = message_parse_request(&h, bytes, &fault);
	message_fini(&h);
	return parsed != MESSAGE_MORE;
}

/* Gives the connection to the pool with the bytes from `rest` on, which is the end of r->bytes. */
static void give_to_pool(struct loop *l, struct received *r, struct span rest)
{
	struct conn *c = r->conn;
	if (r->bytes.at == c->in.data) {
		buf_consume(&c->in, (size_t)(rest.at - r->bytes.at));
		rest = buf_span(&c->in);
	}
	loop_handover_to_pool(l, c, rest);
}

/* A new connection needs more than hits: the next loop in turn goes on with the rest of its bytes. */
static void give_to_next(struct loop *l, struct conn *c, struct span rest)
{
	if (buf_addspan(&c->in, rest) != 0)
		loop_conns_close(l, c);
	else
		loop_conns_share(c, true);
}

/* Keeps the beginning of a head, if any, until more arrives. The slice does not outlive this wake-up, so the bytes move
 * to conn->in. */
static void keep_rest(struct loop *l, struct received *r, struct span rest)
{
	struct conn *c = r->conn;
	bool begins = rest.len > 0 && c->in.len == 0;
	if (r->bytes.at == c->in.data && c->in.data != NULL) {
		begins = rest.len > 0 && rest.at != r->bytes.at;
		buf_consume(&c->in, (size_t)(rest.at - r->bytes.at));
		if (c->in.len == 0)
			buf_fini(&c->in);
	} else if (rest.len > 0 && buf_addspan(&c->in, rest) != 0) {
		loop_conns_close(l, c);
		return;
	}
	/* More bytes of the same head do not start its time again: else a byte a minute would hold it open for ever. */
	if ((rest.len == 0 || begins) && !(c->checks & CONN_CHECK_HEADER))
		c->since_ms = l->now_ms;
	if (loop_conns_is_new(c))
		loop_conns_share(c, false);
}

/* Begins a plain request that is no hit from memory. True: it is over; go on with r->bytes. */
static bool begin_miss(struct loop *l, struct received *r, struct span rest)
{
	struct conn *c = r->conn;
	if (r->bytes.at == c->in.data) {
		buf_consume(&c->in, (size_t)(rest.at - r->bytes.at));
	} else if (buf_addspan(&c->in, rest) != 0) {
		loop_conns_close(l, c);
		return false;
	}
	if (!loop_miss_begin(l, c))
		return false;
	r->bytes = buf_span(&c->in);
	return true;
}

/* Judges the connection. True: it may go on with *rest. */
static bool admit(struct loop *l, struct received *r, struct span *rest)
{
	enum loop_admission admission = loop_admit(l, r->conn, rest);
	if (admission == LOOP_ADMIT_MORE)
		keep_rest(l, r, *rest);
	return admission == LOOP_ADMIT_YES;
}

static enum loop_hit_outcome respond_at_once(
    struct loop *l, struct conn *c, const struct request_scan *scan, struct span rest, bool keeps)
{
	enum loop_hit_outcome outcome = loop_hit_respond(l, c, scan, rest, keeps);
	if (outcome == LOOP_HIT_NOT && loop_health_is(l, scan))
		outcome = loop_health_respond(l, c, scan, rest, keeps);
	return outcome;
}

/* Responds to one request after the other, as long as they are plain hits or small misses. */
static void respond(struct loop *l, struct received *r)
{
	struct conn *c = r->conn;
	struct span rest = r->bytes;
	struct request_scan scan;
	bool draining = atomic_load_explicit(&l->set->draining, memory_order_relaxed);
	if (loop_admit_is_due(l, c) && !admit(l, r, &rest))
		return;
	while (rest.len > 0) {
		enum loop_hit_outcome outcome = LOOP_HIT_NOT;
		bool plain = request_scan(rest, &scan) == REQUEST_SCAN_PLAIN;
		if (!plain && !is_for_pool(rest))
			break;
		bool admitted = loop_admit_plain(l, c, plain, &scan, rest);
		if (admitted)
			outcome = respond_at_once(l, c, &scan, rest, scan.keeps && !draining);
		if (outcome != LOOP_HIT_NOT)
			c->paid = false;
		switch (outcome) {
		case LOOP_HIT_SENT:
			rest = span_from(rest, scan.bytes);
			continue;
		case LOOP_HIT_LAST:
			loop_conns_end(l, c, !scan.keeps && r->all && rest.len == scan.bytes);
			return;
		case LOOP_HIT_GONE:
			loop_conns_close(l, c);
			return;
		case LOOP_HIT_PARTLY:
			if (!loop_conns_is_new(c) || loop_conns_add(c))
				give_to_pool(l, r, span_from(rest, scan.bytes));
			return;
		case LOOP_HIT_NOT:
			break;
		}
		if (loop_conns_is_new(c)) {
			give_to_next(l, c, rest);
			return;
		}
		if (!admitted || !loop_miss_is_for_loop(l, c, &scan)) {
			give_to_pool(l, r, rest);
			return;
		}
		if (!begin_miss(l, r, rest))
			return;
		rest = r->bytes;
	}
	keep_rest(l, r, rest);
}

/* Sends what fetches have brought, and responds to the requests that their clients had sent already. */
static void respond_to_ready(struct loop *l)
{
	struct conn *c;
	while ((c = loop_miss_next(l)) != NULL)
		respond(l, &(struct received){.conn = c, .bytes = buf_span(&c->in)});
}

/* --- once a second --- */

/* The client of an idle connection may be sending its next request just now, because its last response did not say
 * Connection: close. While draining, such a request is waited for and answered; a close would lose it. */
static bool is_in_grace(const struct loop *l, const struct conn *c)
{
	int64_t drain_ms = atomic_load_explicit(&l->set->drain_since_ms, memory_order_relaxed);
	return l->now_ms - (c->since_ms > drain_ms ? c->since_ms : drain_ms) < GRACE_MS;
}

static bool is_over(const struct loop *l, const struct conn *c, bool draining)
{
	bool begun = c->in.len > 0;
	bool owes = begun || c->checks & (CONN_CHECK_HEADER | CONN_CHECK_REFUSED);
	double waited_s = (double)(l->now_ms - c->since_ms) / 1000;
	if (c->lingers)
		return waited_s >= LINGER_S;
	if (draining && !begun && !is_in_grace(l, c))
		return true;
	return waited_s >= (owes ? l->options->head_timeout_s : l->options->idle_timeout_s);
}

/* A head that does not arrive in time gets a 408; an idle connection is closed without a response. */
static void check_timeouts(struct loop *l, bool draining)
{
	enum { AT_A_TIME = 256 };
	static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n"
				   "Content-Length: 40\r\nConnection: close\r\n\r\n"
				   "the request head did not arrive in time\n";
	struct conn *over[AT_A_TIME];
	size_t n;
	do {
		n = 0;
		pthread_mutex_lock(&l->lock);
		for (struct conn *c = l->conns; c != NULL && n < AT_A_TIME; c = c->next)
			if (!c->busy && c->run == NULL && is_over(l, c, draining))
				over[n++] = c;
		pthread_mutex_unlock(&l->lock);
		/* Safe without the lock: a connection that is not busy is ours, and only this thread makes one busy. */
		for (size_t i = 0; i < n; i++) {
			if (over[i]->checks & CONN_CHECK_HEADER)
				loop_admit_late(over[i]);
			else if (over[i]->in.len > 0 && !draining)
				send(over[i]->fd, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			loop_conns_close(l, over[i]);
		}
	} while (n == AT_A_TIME);
}

/* --- the thread --- */

static void read_clocks(struct loop *l)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	l->now = t.tv_sec;
	l->now_ms = loop_clock_ms();
}

/* Once a wake-up instead of once a hit: the counters are shared by all threads. */
static void count_hits(struct loop *l)
{
	if (l->requests == 0)
		return;
	stats_add(STATS_REQUESTS, l->requests);
	stats_add(STATS_HITS, l->requests);
	stats_add(STATS_BYTES_SENT, l->bytes);
	l->requests = l->bytes = 0;
}

static void wake_up(struct loop *l, struct epoll_event *events, int n, char *slices)
{
	struct received got[RECEIVED_MOST];
	size_t count = 0;
	bool engine_ready = false;
	l->more_waits = false;
	for (int i = 0; i < n; i++) {
		uintptr_t data = events[i].data.u64;
		unsigned tag = data & LOOP_TAG_MASK;
		if (tag == LOOP_TAG_LISTENER) {
			size_t room = RECEIVED_MOST - count - (size_t)(n - i - 1); /* a place is left for each event */
			count += accept_ready(
			    l, (int)(data >> LOOP_TAG_BITS), slices + count * SLICE_BYTES, got + count, room);
		} else if (tag == LOOP_TAG_WAKE) {
			eventfd_t ignored;
			eventfd_read(l->wake_fd, &ignored);
		} else if (tag == LOOP_TAG_ENGINE) {
			engine_ready = true;
		} else if (events[i].events & EPOLLOUT) {
			take_shared(l, events[i].data.ptr, &got[count++]);
		} else if (receive(l, events[i].data.ptr, slices + count * SLICE_BYTES, &got[count])) {
			count++;
		}
	}
	loop_miss_turn(l, engine_ready);
	if (count == 0 && l->ready == NULL)
		return;
	read_clocks(l);
	l->edits = change_counter_edits(l->changes);
	l->rules = change_counter_rules(l->changes);
	ramcache_enter(l->set->config.context->ramcache, &l->reader);
	l->exchange.rules = l->edits < 0 ? -1 : l->rules;
	respond_to_ready(l);
	for (size_t i = 0; i < count; i++)
		respond(l, &got[i]);
	ramcache_leave(&l->reader);
	loop_miss_turn(l, false); /* starts the fetches that were begun */
	count_hits(l);
}

static void tick(struct loop *l, bool draining)
{
	check_timeouts(l, draining);
	loop_hit_report(l);
	ramcache_collect(l->set->config.context->ramcache);
	if (l == &l->set->loops[0])
		loop_shortage_check(l->set);
	if (l->paused && !draining)
		loop_accept_resume(l);
}

/* A change may take away a name of this server. */
static void take_options(struct loop *l)
{
	const struct options *now = options_now(l->set->config.context);
	if (l->options == now)
		return;
	l->options = now;
	memset(l->good_hosts, 0, sizeof l->good_hosts);
}

static void *loop_main(void *arg)
{
	struct loop *l = arg;
	struct epoll_event events[EVENTS];
	char *slices = malloc((size_t)RECEIVED_MOST * SLICE_BYTES);
	read_clocks(l);
	take_options(l);
	int64_t next_tick = l->now_ms + TICK_MS;
	bool draining = false;
	while (slices != NULL && !atomic_load(&l->set->ending)) {
		int n =
		    epoll_wait(l->epoll_fd, events, EVENTS, loop_miss_wait_ms(l, draining ? DRAIN_TICK_MS : TICK_MS));
		draining = atomic_load(&l->set->draining);
		atomic_fetch_add_explicit(&l->turns, 1, memory_order_relaxed);
		take_options(l);
		wake_up(l, events, n < 0 ? 0 : n, slices);
		if (draining && !l->paused && !l->more_waits)
			loop_accept_pause(l);
		read_clocks(l);
		if (l->now_ms >= next_tick || draining) {
			tick(l, draining);
			next_tick = l->now_ms + TICK_MS;
		}
	}
	engine_stop(l->engine->engine);
	respond_to_ready(l);
	loop_hit_report(l);
	free(slices);
	return NULL;
}

/* --- start and end --- */

int loop_init(struct loop *l, struct loop_set *set, struct buf *why)
{
	l->set = set;
	pthread_mutex_init(&l->lock, NULL);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->changes = change_counter_new(set->config.context->store);
	ramcache_add_reader(set->config.context->ramcache, &l->reader);
	if (l->epoll_fd < 0 || l->wake_fd < 0 || l->changes == NULL)
		return -1;
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = LOOP_TAG_WAKE};
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) != 0)
		return -1;
	return loop_miss_init(l, why) == 0 ? loop_accept_resume(l) : -1;
}

int loop_start(struct loop *l)
{
	int rc = thread_start(&l->thread, "loop", loop_main, l);
	l->started = rc == 0;
	return rc;
}

void loop_wake(struct loop *l)
{
	if (l->wake_fd >= 0)
		eventfd_write(l->wake_fd, 1);
}

void loop_join(struct loop *l)
{
	if (l->started)
		pthread_join(l->thread, NULL);
	l->started = false;
}

void loop_fini(struct loop *l)
{
	while (l->conns != NULL)
		loop_conns_close(l, l->conns);
	loop_miss_fini(l);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	change_counter_free(l->changes);
	pthread_mutex_destroy(&l->lock);
}
