/* The loop of a loop, and the set of loops. */
#include "server/loop_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "fetch/flight.h"
#include "net/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, SLICE_BYTES = 8 << 10, TICK_MS = 1000, ACCEPTS = 64, LINGER_S = 2 };

/* What epoll gives back: a conn, or one of these two kinds told by their low bits. */
enum { TAG_LISTENER = 1, TAG_WAKE = 2, TAGS = 3 };

struct received {
	struct conn *conn;
	struct span bytes; /* in a slice, or all of conn->in */
};

int64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- receiving --- */

/* No more of the listeners: for good when draining, until the next tick when there is no descriptor to accept with (a
 * listener that cannot be accepted from would wake us again and again). */
static void listen_out(struct loop *l)
{
	for (size_t i = 0; i < l->loops->config.listeners->count; i++)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, l->loops->config.listeners->fds[i], NULL);
	l->deaf = true;
}

static int listen_in(struct loop *l)
{
	for (size_t i = 0; i < l->loops->config.listeners->count; i++) {
		uint64_t fd = (uint64_t)l->loops->config.listeners->fds[i];
		struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = fd << 2 | TAG_LISTENER};
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, (int)fd, &ev) != 0)
			return -1;
	}
	l->deaf = false;
	return 0;
}

static void accept_some(struct loop *l, int listener)
{
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage at;
		socklen_t n = sizeof at;
		int fd = accept4(listener, (struct sockaddr *)&at, &n, SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE) {
				log_trouble("accept", "cannot accept: %s (raise the limit of open files: ulimit -n)",
				    strerror(errno));
				listen_out(l);
			}
			return;
		}
		struct loop *to = &l->loops->all[atomic_fetch_add(&l->loops->next, 1) % l->loops->count];
		loop_adopt(to, fd, &at, listener == l->loops->config.listeners->admin);
	}
}

/* Takes what has come. False when the connection is over (and closed). */
static bool receive(struct loop *l, struct conn *c, char *slice, struct received *r)
{
	bool appends = c->in.len > 0;
	char *to = appends ? buf_room(&c->in, SLICE_BYTES) : slice;
	ssize_t n = to == NULL ? 0 : recv(c->fd, to, SLICE_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = -2;
	if (n == 0 || n == -1) {
		loop_close(l, c);
		return false;
	}
	if (n == -2 || c->lingers)
		n = 0;
	r->conn = c;
	r->bytes = span_make(slice, (size_t)n);
	if (appends) {
		buf_grew(&c->in, (size_t)n);
		r->bytes = buf_span(&c->in);
	}
	return r->bytes.len > 0;
}

/* --- answering --- */

/* Not (yet) plain: is it a whole or a bad head, for a worker, or the beginning of one, to wait for? */
static bool is_for_worker(struct span bytes)
{
	struct head h;
	struct fault fault;
	message_init(&h);
	enum message_parsed parsed = message_parse_request(&h, bytes, &fault);
	message_fini(&h);
	return parsed != MESSAGE_MORE;
}

static void answer(struct loop *l, struct received *r)
{
	struct conn *c = r->conn;
	struct span bytes = r->bytes;
	struct request_scan g;
	bool draining = atomic_load_explicit(&l->loops->draining, memory_order_relaxed);
	while (bytes.len > 0) {
		enum loop_hit_outcome outcome = LOOP_HIT_NOT;
		if (!draining && request_scan(bytes, &g) == REQUEST_SCAN_PLAIN)
			outcome = loop_hit_answer(l, c, &g, bytes);
		else if (!is_for_worker(bytes))
			break;
		if (outcome == LOOP_HIT_SENT) {
			bytes = span_from(bytes, g.bytes);
			continue;
		}
		if (outcome == LOOP_HIT_GONE) {
			loop_close(l, c);
			return;
		}
		if (outcome == LOOP_HIT_PARTLY)
			bytes = span_from(bytes, g.bytes);
		if (r->bytes.at == c->in.data) {
			buf_consume(&c->in, (size_t)(bytes.at - r->bytes.at));
			bytes = buf_span(&c->in);
		}
		loop_hand_over(l, c, bytes);
		return;
	}
	/* All answered, or the beginning of a head is left. */
	bool begins = bytes.len > 0 && c->in.len == 0;
	if (r->bytes.at == c->in.data && c->in.data != NULL) {
		begins = bytes.len > 0 && bytes.at != r->bytes.at;
		buf_consume(&c->in, (size_t)(bytes.at - r->bytes.at));
		if (c->in.len == 0)
			buf_fini(&c->in);
	} else if (bytes.len > 0 && buf_addspan(&c->in, bytes) != 0) {
		loop_close(l, c);
		return;
	}
	if (bytes.len == 0 || begins)
		c->since_ms = l->now_ms;
}

/* --- once a second --- */

static bool is_over(const struct loop *l, const struct conn *c, bool draining)
{
	const struct loops_config *config = &l->loops->config;
	bool begun = c->in.len > 0;
	double waited = (double)(l->now_ms - c->since_ms) / 1000;
	if (c->lingers)
		return waited >= LINGER_S;
	return (draining && !begun) || waited >= (begun ? config->head_timeout_s : config->idle_timeout_s);
}

/* A head that does not come is answered with 408; an idle connection is closed without a word. */
static void check_timeouts(struct loop *l, bool draining)
{
	enum { AT_A_TIME = 256 };
	static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n"
				   "Content-Length: 40\r\nConnection: close\r\n\r\n"
				   "the request's head did not come in time\n";
	struct conn *over[AT_A_TIME];
	size_t n;
	do {
		n = 0;
		pthread_mutex_lock(&l->lock);
		for (struct conn *c = l->conns; c != NULL && n < AT_A_TIME; c = c->next)
			if (!c->busy && is_over(l, c, draining))
				over[n++] = c;
		pthread_mutex_unlock(&l->lock);
		for (size_t i = 0; i < n; i++) { /* they are ours: threadpool only ever take conns out of the list */
			if (over[i]->in.len > 0 && !draining)
				send(over[i]->fd, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			loop_close(l, over[i]);
		}
	} while (n == AT_A_TIME);
}

/* --- the loop --- */

static void read_clocks(struct loop *l)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	l->now = t.tv_sec;
	l->now_ms = clock_ms();
}

static void wake_up(struct loop *l, struct epoll_event *events, int n, char *slices)
{
	struct received got[EVENTS];
	size_t count = 0;
	for (int i = 0; i < n; i++) {
		uintptr_t data = events[i].data.u64;
		if (data & TAG_LISTENER) {
			accept_some(l, (int)(data >> 2));
		} else if (data & TAG_WAKE) {
			eventfd_t drained;
			eventfd_read(l->wake_fd, &drained);
		} else if (receive(l, events[i].data.ptr, slices + count * SLICE_BYTES, &got[count])) {
			count++;
		}
	}
	if (count == 0)
		return;
	read_clocks(l);
	l->edits = change_counter_edits(l->watch);
	l->rules = change_counter_rules(l->watch);
	for (size_t i = 0; i < count; i++)
		answer(l, &got[i]);
	if (l->requests > 0) {
		stats_add(STATS_REQUESTS, l->requests);
		stats_add(STATS_HITS, l->requests);
		stats_add(STATS_BYTES_SENT, l->bytes);
		l->requests = l->bytes = 0;
	}
}

static void *loop_main(void *arg)
{
	struct loop *l = arg;
	struct epoll_event events[EVENTS];
	char *slices = malloc((size_t)EVENTS * SLICE_BYTES);
	pthread_setname_np(pthread_self(), "lane");
	read_clocks(l);
	int64_t next_tick = l->now_ms + TICK_MS;
	while (slices != NULL && !atomic_load(&l->loops->ending)) {
		int n = epoll_wait(l->epoll_fd, events, EVENTS, TICK_MS);
		bool draining = atomic_load(&l->loops->draining);
		wake_up(l, events, n < 0 ? 0 : n, slices);
		if (draining && !l->deaf)
			listen_out(l);
		read_clocks(l);
		if (l->now_ms >= next_tick || draining) {
			check_timeouts(l, draining);
			loop_hit_tell(l);
			if (l == &l->loops->all[0])
				loop_shortage(l->loops);
			if (l->deaf && !draining)
				listen_in(l);
			next_tick = l->now_ms + TICK_MS;
		}
	}
	loop_hit_tell(l);
	free(slices);
	return NULL;
}

/* --- the set --- */

static int loop_init(struct loop *l, struct loops *all)
{
	l->loops = all;
	pthread_mutex_init(&l->lock, NULL);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->watch = change_counter_new(all->config.context->store);
	if (l->epoll_fd < 0 || l->wake_fd < 0 || l->watch == NULL)
		return -1;
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = TAG_WAKE};
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) != 0)
		return -1;
	return listen_in(l);
}

struct loops *loops_new(const struct loops_config *config, struct buf *why)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct loops *all = calloc(1, sizeof *all);
	if (all == NULL) {
		buf_adds(why, "lanes: out of memory");
		return NULL;
	}
	all->config = *config;
	all->count = cores < 1 ? 1 : cores > 64 ? 64 : (size_t)cores;
	all->all = calloc(all->count, sizeof *all->all);
	int rc = all->all == NULL ? -1 : 0;
	for (size_t i = 0; rc == 0 && i < all->count; i++)
		rc = loop_init(&all->all[i], all);
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		rc = pthread_create(&all->all[i].thread, NULL, loop_main, &all->all[i]);
		all->all[i].started = rc == 0;
	}
	if (rc != 0) {
		buf_addf(why, "lanes: cannot start: %s", strerror(rc > 0 ? rc : errno));
		loops_stop(all);
		loops_free(all);
		return NULL;
	}
	return all;
}

static void wake_all(struct loops *all)
{
	for (size_t i = 0; all->all != NULL && i < all->count; i++)
		if (all->all[i].wake_fd > 0)
			eventfd_write(all->all[i].wake_fd, 1);
}

void loops_drain(struct loops *all)
{
	atomic_store(&all->draining, true);
	wake_all(all);
}

size_t loops_open(struct loops *all)
{
	size_t open = 0;
	for (size_t i = 0; i < all->count; i++) {
		pthread_mutex_lock(&all->all[i].lock);
		open += all->all[i].conn_count;
		pthread_mutex_unlock(&all->all[i].lock);
	}
	return open;
}

void loops_break(struct loops *all)
{
	for (size_t i = 0; i < all->count; i++) {
		pthread_mutex_lock(&all->all[i].lock);
		for (struct conn *c = all->all[i].conns; c != NULL; c = c->next)
			shutdown(c->fd, SHUT_RDWR);
		pthread_mutex_unlock(&all->all[i].lock);
	}
}

void loops_stop(struct loops *all)
{
	atomic_store(&all->ending, true);
	wake_all(all);
	for (size_t i = 0; all->all != NULL && i < all->count; i++) {
		if (all->all[i].started)
			pthread_join(all->all[i].thread, NULL);
		all->all[i].started = false;
	}
}

void loops_free(struct loops *all)
{
	for (size_t i = 0; all->all != NULL && i < all->count; i++) {
		struct loop *l = &all->all[i];
		while (l->conns != NULL)
			loop_close(l, l->conns);
		if (l->epoll_fd > 0)
			close(l->epoll_fd);
		if (l->wake_fd > 0)
			close(l->wake_fd);
		change_counter_free(l->watch);
	}
	free(all->all);
	free(all);
}
