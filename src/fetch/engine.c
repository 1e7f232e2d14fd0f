/*
 * The loop: wait for sockets, for libcurl's timer or for a wish; do the wishes; let libcurl act; take what has ended; once a
 * second look for transfers past their deadline; tell round_over.
 *
 * Other threads never touch libcurl. They leave a wish (start, resume, cancel) under `lock`, at most one list node a fetch, and
 * write the eventfd when the list was empty. A fetch is freed on the engine's thread alone, after leaving that list.
 */
#include "fetch/engine_internal.h"

#include "base/clock.h"
#include "base/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 256, SWEEP_MS = 1000, KEPT_CONNECTIONS = 512 };

/* --- wishes --- */

static void wish(struct fetch *f, unsigned what)
{
	struct engine *e = f->engine;
	pthread_mutex_lock(&e->lock);
	bool first = e->wished_first == NULL;
	f->wishes |= what;
	if (!f->wished) {
		f->wished = true;
		f->wished_next = NULL;
		*e->wished_last = f;
		e->wished_last = &f->wished_next;
	}
	pthread_mutex_unlock(&e->lock);
	if (first)
		eventfd_write(e->wake_fd, 1);
}

/* A fetch that ends while wished for must not stay in the list. */
static void unwish(struct fetch *f)
{
	struct engine *e = f->engine;
	pthread_mutex_lock(&e->lock);
	if (f->wished) {
		struct fetch **at = &e->wished_first;
		while (*at != f)
			at = &(*at)->wished_next;
		*at = f->wished_next;
		if (e->wished_last == &f->wished_next)
			e->wished_last = at;
		f->wished = false;
	}
	pthread_mutex_unlock(&e->lock);
}

static struct fetch *next_wished(struct engine *e, unsigned *wishes)
{
	pthread_mutex_lock(&e->lock);
	struct fetch *f = e->wished_first;
	if (f != NULL) {
		e->wished_first = f->wished_next;
		if (e->wished_first == NULL)
			e->wished_last = &e->wished_first;
		*wishes = f->wishes;
		f->wishes = 0;
		f->wished = false;
	}
	pthread_mutex_unlock(&e->lock);
	return f;
}

void engine_resume_data(struct fetch *f)
{
	wish(f, WISH_RECEIVE);
}

void engine_resume_upload(struct fetch *f)
{
	wish(f, WISH_SEND);
}

void engine_cancel(struct fetch *f)
{
	wish(f, WISH_CANCEL);
}

/* --- the engine's thread --- */

static void unlink_active(struct fetch *f)
{
	if (!f->active)
		return;
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	f->active = false;
}

static void finish(struct fetch *f, CURLcode code)
{
	unlink_active(f);
	enum engine_outcome outcome = transfer_end(f, code);
	unwish(f); /* only now nobody knows it any more who could wish */
	names_leave(f, outcome);
	transfer_free(f);
}

void engine_fail(struct fetch *f, enum engine_outcome outcome, CURLcode code, const char *why)
{
	f->failed = outcome;
	f->failed_why = why;
	finish(f, code);
}

void engine_restart(struct fetch *f)
{
	if (transfer_begin(f) != 0 || curl_multi_add_handle(f->engine->multi, f->easy) != CURLM_OK) {
		unlink_active(f);
		engine_fail(f, ENGINE_TROUBLE, CURLE_OUT_OF_MEMORY, "out of memory");
	}
}

static void start(struct engine *e, struct fetch *f)
{
	stats_add(STATS_FETCHES, 1);
	if (e->config.offline) {
		engine_fail(f, ENGINE_OFFLINE, CURLE_COULDNT_CONNECT, "--offline is set");
		return;
	}
	f->active = true;
	f->link = &e->active;
	f->next = e->active;
	if (e->active != NULL)
		e->active->link = &f->next;
	e->active = f;
	engine_restart(f);
}

static void do_wishes(struct engine *e)
{
	unsigned wishes;
	struct fetch *f;
	while ((f = next_wished(e, &wishes)) != NULL) {
		if (wishes & WISH_CANCEL)
			engine_fail(f, ENGINE_CANCELLED, CURLE_ABORTED_BY_CALLBACK, "given up");
		else if (wishes & WISH_START)
			start(e, f);
		else
			transfer_resume(f, wishes & WISH_RECEIVE, wishes & WISH_SEND);
	}
}

static void take_ended(struct engine *e)
{
	int left;
	CURLMsg *m;
	while ((m = curl_multi_info_read(e->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		struct fetch *f = NULL;
		CURLcode code = m->data.result; /* m does not survive the handle's removal */
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
		if (f->waits_for_name) {
			transfer_drop_handle(f);
			f->deadline_ms = clock_ms() + (int64_t)(e->config.connect_timeout_s * 1000);
		} else if (transfer_asks_again(f, code)) {
			transfer_drop_handle(f);
			engine_restart(f);
		} else {
			finish(f, code);
		}
	}
}

static const char *what_was_late(const struct fetch *f)
{
	if (f->waits_for_name)
		return "the look-up of its name takes too long";
	return f->head_done ? "it fell silent in the middle of its answer" : "it did not answer in time";
}

static void sweep(struct engine *e, int64_t now)
{
	for (struct fetch *f = e->active, *next; f != NULL; f = next) {
		next = f->next;
		if (now >= f->deadline_ms && !f->receive_paused && !f->send_paused)
			engine_fail(f, ENGINE_TIMEOUT, CURLE_OPERATION_TIMEDOUT, what_was_late(f));
	}
	names_sweep(e, now);
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	(void)multi;
	struct engine *e = ctx;
	e->timer_ms = ms < 0 ? INT64_MAX : clock_ms() + ms;
	return 0;
}

/* Waits for events and gives each to whom it concerns. */
static void take_events(struct engine *e, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int running, n = epoll_wait(e->epoll_fd, events, EVENTS, wait_ms);
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;
		if (fd == e->wake_fd) {
			eventfd_t drained;
			eventfd_read(e->wake_fd, &drained);
			continue;
		}
		if (!sockets_event(e, fd) || (e->lookups != NULL && names_event(e, fd)))
			continue;
		int mask = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(e->multi, fd, mask, &running);
	}
	names_settle(e);
	take_ended(e); /* the connections they give back are idle before new transfers begin */
}

static void act(struct engine *e, int wait_ms)
{
	int running;
	take_events(e, wait_ms);
	do_wishes(e);
	if (clock_ms() >= e->timer_ms) {
		e->timer_ms = INT64_MAX;
		curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		names_settle(e);
	}
}

static bool is_ending(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	bool ending = e->ending;
	pthread_mutex_unlock(&e->lock);
	return ending;
}

static void *engine_main(void *arg)
{
	struct engine *e = arg;
	int64_t next_sweep = clock_ms() + SWEEP_MS;
	pthread_setname_np(pthread_self(), "engine");
	while (!is_ending(e)) {
		int64_t now = clock_ms();
		int64_t until = e->timer_ms < next_sweep ? e->timer_ms : next_sweep;
		if (e->active == NULL)
			until = e->timer_ms;
		int wait = until == INT64_MAX ? -1 : until <= now ? 0 : (int)(until - now);
		act(e, wait);
		take_ended(e);
		now = clock_ms();
		if (now >= next_sweep) {
			sweep(e, now);
			next_sweep = now + SWEEP_MS;
		}
		if (e->config.round_over != NULL)
			e->config.round_over(e->config.ctx);
	}
	do_wishes(e);
	while (e->active != NULL)
		engine_fail(e->active, ENGINE_CANCELLED, CURLE_ABORTED_BY_CALLBACK, "curlew is stopping");
	if (e->config.round_over != NULL)
		e->config.round_over(e->config.ctx);
	return NULL;
}

/* --- for other threads --- */

/* Credentials that authenticate the connection, not the request (RFC 4559; MS-NLMP). */
static bool binds_connection(const char *line)
{
	static const char *const schemes[] = {"NTLM", "Negotiate", "Kerberos", "Nego2"};
	if (strncasecmp(line, "Authorization:", 14) != 0)
		return false;
	line += 14 + strspn(line + 14, " \t");
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = strlen(schemes[i]);
		if (strncasecmp(line, schemes[i], n) == 0 && strchr(" \t", line[n]) != NULL)
			return true;
	}
	return false;
}

struct fetch *engine_start(
    struct engine *e, const struct fetch_spec *spec, const struct fetch_ops *ops, void *ctx)
{
	struct fetch *f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	f->engine = e;
	f->ops = ops;
	f->ctx = ctx;
	f->upload_bytes = spec->upload_bytes;
	f->trusted = spec->trusted;
	f->idempotent = spec->idempotent;
	f->tunnel = spec->tunnel;
	f->asterisk = spec->asterisk;
	f->minor = 1;
	f->fd = -1;
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
				colon[0] = ';'; /* libcurl's way to say: present and empty */
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
	wish(f, WISH_START);
	return f;
}

static int prepare_multi(struct engine *e)
{
	e->multi = curl_multi_init();
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->multi == NULL || e->epoll_fd < 0 || e->wake_fd < 0 || sockets_init(e) != 0)
		return -1;
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, sockets_watch);
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
	/* One transfer at a time on an HTTP/2 connection, too: of two, the one whose client stops reading would let libcurl read on for the other,
	 * and keep up to its window of 10 MB in memory. Alone it leaves the bytes to the kernel. */
	curl_multi_setopt(e->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = e->wake_fd};
	return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->wake_fd, &ev);
}

static void engine_destroy(struct engine *e)
{
	if (e->multi != NULL)
		curl_multi_cleanup(e->multi);
	names_fini(e);
	sockets_fini(e);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
	if (e->wake_fd >= 0)
		close(e->wake_fd);
	pthread_mutex_destroy(&e->lock);
	free(e->proxy);
	free(e->cacert);
	free(e);
}

struct engine *engine_new(const struct engine_config *config, struct buf *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, engine_global_init);
	struct engine *e = calloc(1, sizeof *e);
	if (e == NULL) {
		buf_adds(why, "fetching: out of memory");
		return NULL;
	}
	e->config = *config;
	e->epoll_fd = e->wake_fd = e->dead_fd = -1;
	e->timer_ms = INT64_MAX;
	e->wished_last = &e->wished_first;
	pthread_mutex_init(&e->lock, NULL);
	e->proxy = config->proxy != NULL ? strdup(config->proxy) : NULL;
	e->cacert = config->cacert != NULL ? strdup(config->cacert) : NULL;
	if (prepare_multi(e) != 0 || (errno = pthread_create(&e->thread, NULL, engine_main, e)) != 0) {
		buf_addf(why, "fetching: %s", strerror(errno));
		engine_destroy(e);
		return NULL;
	}
	return e;
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	pthread_mutex_lock(&e->lock);
	e->ending = true;
	pthread_mutex_unlock(&e->lock);
	eventfd_write(e->wake_fd, 1);
	pthread_join(e->thread, NULL);
	engine_destroy(e);
}
