/*
 * One turn: wait for sockets, for libcurl's timer or for a command; let libcurl handle the events; take the transfers
 * that have ended; do the commands; once a second, end transfers that are past their deadline; call batch_end.
 *
 * Other threads never call libcurl. They leave a command (start, resume, cancel) under `lock`. A fetch is in the list
 * of commands at most once, with a set of bits, so a command needs no memory and cannot fail. The thread that finds the
 * list empty writes the eventfd. The owner itself need not: it asks engine_has_command() before it waits.
 *
 * Why an eventfd and not curl_multi_wakeup(): the engine waits in an epoll set of its own, because it also watches idle
 * connections and abandoned look-ups, which libcurl does not know. That epoll set may be a member of another one.
 *
 * A fetch is freed on the engine's thread alone. transfer_end() calls done(), after which no thread gives it a command;
 * then it leaves the list of commands, and only then it is freed.
 */
#include "fetch/engine.h"

#include "base/clock.h"
#include "base/stats.h"
#include "fetch/transfer.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 256, SWEEP_MS = 1000, KEPT_CONNECTIONS = 512 };

/* Commands that other threads leave in fetch->commands for the engine's thread. */
enum { COMMAND_START = 1, COMMAND_RECEIVE = 2, COMMAND_SEND = 4, COMMAND_CANCEL = 8 };

struct engine {
	struct transfer_context shared;
	int epoll_fd, wake_fd;
	/* The owner's thread only. */
	int64_t timer_ms; /* monotonic: when libcurl wants to be called; INT64_MAX: never */
	int64_t next_sweep_ms;
	struct fetch *active;
	bool has_command; /* the owner itself has left one since its last turn */

	pthread_mutex_t lock; /* guards the members below; the last lock of all: nothing is called under it */
	struct fetch *commanded_first, **commanded_last;
	pthread_t owner; /* the thread that makes the turns; valid once `owned` is set */
	bool owned;
};

static void fail(struct fetch *, enum engine_outcome, CURLcode, const char *why);

/* --- commands --- */

/* Any thread. Commands of one fetch are merged: they are bits, and the engine does them all in one go. The caller often
 * holds a flight's lock, so nothing here may wait. */
static void command(struct fetch *f, unsigned what)
{
	struct engine *e = f->engine;
	pthread_mutex_lock(&e->lock);
	bool first = e->commanded_first == NULL;
	f->commands |= what;
	if (!f->commanded) {
		f->commanded = true;
		f->next_commanded = NULL;
		*e->commanded_last = f;
		e->commanded_last = &f->next_commanded;
	}
	bool own = e->owned && pthread_equal(e->owner, pthread_self());
	pthread_mutex_unlock(&e->lock);
	/* Not for later commands: the engine empties the whole list once it is awake. */
	if (own)
		e->has_command = true;
	else if (first)
		eventfd_write(e->wake_fd, 1);
}

/* A fetch that is about to be freed must not stay in the list. */
static void withdraw_commands(struct fetch *f)
{
	struct engine *e = f->engine;
	pthread_mutex_lock(&e->lock);
	if (f->commanded) {
		struct fetch **at = &e->commanded_first;
		while (*at != f)
			at = &(*at)->next_commanded;
		*at = f->next_commanded;
		if (e->commanded_last == &f->next_commanded)
			e->commanded_last = at;
		f->commanded = false;
	}
	pthread_mutex_unlock(&e->lock);
}

/* Takes one fetch and its commands out of the list. NULL: the list is empty. */
static struct fetch *next_commanded(struct engine *e, unsigned *commands)
{
	pthread_mutex_lock(&e->lock);
	struct fetch *f = e->commanded_first;
	if (f != NULL) {
		e->commanded_first = f->next_commanded;
		if (e->commanded_first == NULL)
			e->commanded_last = &e->commanded_first;
		*commands = f->commands;
		f->commands = 0;
		f->commanded = false;
	}
	pthread_mutex_unlock(&e->lock);
	return f;
}

void engine_resume_data(struct fetch *f)
{
	command(f, COMMAND_RECEIVE);
}

void engine_resume_upload(struct fetch *f)
{
	command(f, COMMAND_SEND);
}

void engine_cancel(struct fetch *f)
{
	command(f, COMMAND_CANCEL);
}

/* --- the engine's thread --- */

/* The list `active` is for the sweep and for the end of the engine. */
static void unlink_active(struct fetch *f)
{
	if (!f->active)
		return;
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	f->active = false;
}

/* The end of a fetch; f is freed afterwards. done() may take locks of the receiver and start other fetches, so the
 * engine holds none here. */
static void finish(struct fetch *f, CURLcode code)
{
	unlink_active(f);
	transfer_end(f, code);
	withdraw_commands(f); /* done() has returned: no thread can leave another command */
	name_lookups_leave(
	    f->shared->lookups, &f->name, code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY);
	transfer_free(f);
}

/* Ends a fetch by a decision of our own. */
static void fail(struct fetch *f, enum engine_outcome outcome, CURLcode code, const char *why)
{
	f->failed = outcome;
	f->failed_why = why;
	finish(f, code);
}

/* Begins an attempt: the first one, or another one after a look-up or a dead connection. May free f. */
static void restart(struct fetch *f)
{
	if (transfer_begin(f) != 0 || curl_multi_add_handle(f->shared->multi, f->easy) != CURLM_OK) {
		unlink_active(f);
		fail(f, ENGINE_NO_MEMORY, CURLE_OUT_OF_MEMORY, "out of memory");
	}
}

static void start(struct engine *e, struct fetch *f)
{
	if (!f->again)
		stats_add(STATS_FETCHES, 1);
	if (e->shared.config.offline) {
		fail(f, ENGINE_OFFLINE, CURLE_COULDNT_CONNECT, "--offline is set");
		return;
	}
	f->active = true;
	f->link = &e->active;
	f->next = e->active;
	if (e->active != NULL)
		e->active->link = &f->next;
	e->active = f;
	restart(f);
}

static void do_commands(struct engine *e)
{
	unsigned commands;
	struct fetch *f;
	e->has_command = false;
	while ((f = next_commanded(e, &commands)) != NULL) {
		/* A cancelled fetch needs none of its other commands, even if it was never started. */
		if (commands & COMMAND_CANCEL)
			fail(f, ENGINE_CANCELLED, CURLE_ABORTED_BY_CALLBACK, "given up");
		else if (commands & COMMAND_START)
			start(e, f);
		else
			transfer_resume(f, commands & COMMAND_RECEIVE, commands & COMMAND_SEND);
	}
}

/* The parent, or a backend, cannot be reached: asks the next server. May free f. */
static void go_elsewhere(struct fetch *f, CURLcode code)
{
	transfer_drop_handle(f);
	name_lookups_leave(f->shared->lookups, &f->name, code == CURLE_COULDNT_RESOLVE_HOST);
	restart(f);
}

/* Asks libcurl for the attempts that have ended. Not every one ends its fetch. */
static void take_ended(struct engine *e)
{
	int left;
	CURLMsg *m;
	while ((m = curl_multi_info_read(e->shared.multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		struct fetch *f = NULL;
		CURLcode code = m->data.result; /* removing the handle frees m */
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
		/* libcurl was stopped at the look-up, because another transfer looks the name up. Waiting counts as
		 * part of connecting. */
		if (f->name.waits) {
			transfer_drop_handle(f);
			f->deadline_ms = clock_ms() + e->shared.config.limits->connect_timeout_ms;
		} else if (transfer_is_repeated(f, code)) {
			transfer_drop_handle(f);
			restart(f);
		} else if (transfer_goes_elsewhere(f, code)) {
			go_elsewhere(f, code);
		} else {
			finish(f, code);
		}
	}
}

static const char *what_was_late(const struct fetch *f)
{
	if (f->name.waits)
		return "the look-up of its name takes too long";
	return f->head_done ? "it stopped sending in the middle of its response"
			    : "no response head came (see --origin-timeout)";
}

/* A paused transfer has no deadline: it waits for a client, not for the origin. */
static void sweep(struct engine *e, int64_t now)
{
	for (struct fetch *f = e->active, *next; f != NULL; f = next) {
		next = f->next;
		if (now < f->deadline_ms || f->receive_paused || f->send_paused)
			continue;
		if (transfer_goes_elsewhere(f, CURLE_OPERATION_TIMEDOUT))
			go_elsewhere(f, CURLE_OPERATION_TIMEDOUT);
		else
			fail(f, ENGINE_TIMEOUT, CURLE_OPERATION_TIMEDOUT, what_was_late(f));
	}
	name_lookups_sweep(e->shared.lookups, now);
}

/* CURLMOPT_SOCKETFUNCTION. Sockets are either connections or ends of the socket pairs of look-ups. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct engine *e = ctx;
	struct fetch *f = NULL;
	if (origin_sockets_watch(e->shared.sockets, fd, what, known) || what != CURL_POLL_REMOVE)
		return 0;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &f);
	if (f != NULL)
		name_lookups_keep_end(&f->name, fd);
	return 0;
}

/* Called by name_lookups: the look-up that a transfer waited for is over. */
static void on_name(struct name_wait *w, bool found)
{
	struct fetch *f = (struct fetch *)((char *)w - offsetof(struct fetch, name));
	transfer_drop_handle(f); /* it may have begun to wait in this very turn, with its handle still in the multi */
	if (found || transfer_goes_elsewhere(f, CURLE_COULDNT_RESOLVE_HOST))
		restart(f);
	else if (f->shared->proxy != NULL)
		fail(f, ENGINE_PROXY, CURLE_COULDNT_RESOLVE_PROXY, "the name of the proxy does not resolve");
	else
		fail(f, ENGINE_NO_HOST, CURLE_COULDNT_RESOLVE_HOST, "the name does not resolve");
}

/* CURLMOPT_TIMERFUNCTION. libcurl has one timer for all transfers. */
static int on_timer(CURLM *multi, long ms, void *ctx)
{
	(void)multi;
	struct engine *e = ctx;
	e->timer_ms = ms < 0 ? INT64_MAX : clock_ms() + ms;
	return 0;
}

/* Waits for events, and gives each to its owner: the eventfd, an idle connection, an abandoned look-up, or libcurl. */
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
		if (!origin_sockets_event(e->shared.sockets, fd) || name_lookups_event(e->shared.lookups, fd))
			continue;
		int mask = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(e->shared.multi, fd, mask, &running);
	}
	name_lookups_notify(e->shared.lookups);
	take_ended(e); /* first: their connections are idle when new transfers begin */
}

/* One turn. No transfer is begun within a callback of libcurl, which does not allow that. */
static void act(struct engine *e, int wait_ms)
{
	int running;
	take_events(e, wait_ms);
	do_commands(e);
	if (clock_ms() >= e->timer_ms) {
		e->timer_ms = INT64_MAX;
		curl_multi_socket_action(e->shared.multi, CURL_SOCKET_TIMEOUT, 0, &running);
		name_lookups_notify(e->shared.lookups);
	}
}

/* Has any thread left a command that was not done yet? */
static bool is_commanded(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	bool commanded = e->commanded_first != NULL;
	pthread_mutex_unlock(&e->lock);
	return commanded;
}

static void end_batch(struct engine *e)
{
	if (e->shared.config.batch_end != NULL)
		e->shared.config.batch_end(e->shared.config.ctx);
}

/* From here on, commands of this thread need no wake-up. */
static void become_owner(struct engine *e)
{
	if (e->owned) /* only this thread ever sets it */
		return;
	pthread_mutex_lock(&e->lock);
	e->owner = pthread_self();
	e->owned = true;
	pthread_mutex_unlock(&e->lock);
}

/* --- the owner --- */

int engine_fd(const struct engine *e)
{
	return e->epoll_fd;
}

bool engine_has_command(const struct engine *e)
{
	return e->has_command;
}

int engine_wait_ms(struct engine *e)
{
	if (is_commanded(e))
		return 0;
	int64_t now = clock_ms();
	int64_t until = e->timer_ms < e->next_sweep_ms ? e->timer_ms : e->next_sweep_ms;
	/* Without transfers there is nothing to sweep: an idle curlew does not wake up. */
	if (e->active == NULL)
		until = e->timer_ms;
	return until == INT64_MAX ? -1 : until <= now ? 0 : (int)(until - now);
}

void engine_turn(struct engine *e, int wait_ms)
{
	become_owner(e);
	act(e, wait_ms);
	take_ended(e);
	int64_t now = clock_ms();
	if (now >= e->next_sweep_ms) {
		sweep(e, now);
		e->next_sweep_ms = now + SWEEP_MS;
	}
	end_batch(e);
}

void engine_stop(struct engine *e)
{
	become_owner(e);
	do { /* the done() of one fetch may start another one, after a redirect */
		do_commands(e);
		while (e->active != NULL)
			fail(e->active, ENGINE_CANCELLED, CURLE_ABORTED_BY_CALLBACK, "curlew is stopping");
	} while (is_commanded(e));
	end_batch(e);
}

/* --- for other threads --- */

/* The fetch belongs to the engine once command() has returned; it may even be freed by then. So the caller learns of
 * its end only through done(), and guards the pointer with a lock that done() takes. */
struct fetch *engine_start(struct engine *e, const struct fetch_spec *spec, const struct fetch_ops *ops, void *ctx)
{
	struct fetch *f = transfer_new(&e->shared, spec, ops, ctx);
	if (f == NULL)
		return NULL;
	f->engine = e;
	command(f, COMMAND_START);
	return f;
}

static int set_up_shared(struct engine *e)
{
	e->shared.sockets = origin_sockets_new(e->epoll_fd, e->shared.multi);
	e->shared.lookups = name_lookups_new(e->epoll_fd, on_name);
	return e->shared.sockets != NULL && e->shared.lookups != NULL ? 0 : -1;
}

/* 0, or -1; then engine_free() frees what was made. */
static int prepare_multi(struct engine *e)
{
	e->shared.multi = curl_multi_init();
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->shared.multi == NULL || e->epoll_fd < 0 || e->wake_fd < 0 || set_up_shared(e) != 0)
		return -1;
	curl_multi_setopt(e->shared.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(e->shared.multi, CURLMOPT_SOCKETDATA, e);
	curl_multi_setopt(e->shared.multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(e->shared.multi, CURLMOPT_TIMERDATA, e);
	/* One transfer at a time, on an HTTP/2 connection too. With two, libcurl would read on for one while the client
	 * of the other does not read, and keep up to 10 MB for that one in memory. A transfer that is alone on its
	 * connection leaves those bytes to the kernel. */
	curl_multi_setopt(e->shared.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(e->shared.multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = e->wake_fd};
	return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->wake_fd, &ev);
}

/* The order matters: libcurl closes its sockets through origin_sockets, and ends look-ups that name_lookups watches. */
void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	if (e->shared.multi != NULL)
		curl_multi_cleanup(e->shared.multi);
	name_lookups_free(e->shared.lookups);
	origin_sockets_free(e->shared.sockets);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
	if (e->wake_fd >= 0)
		close(e->wake_fd);
	pthread_mutex_destroy(&e->lock);
	free(e->shared.proxy);
	free(e->shared.cacert);
	free(e);
}

struct engine *engine_new(const struct engine_config *config, struct buf *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, transfer_setup);
	struct engine *e = calloc(1, sizeof *e);
	if (e == NULL) {
		buf_adds(why, "fetching: out of memory");
		return NULL;
	}
	e->shared.config = *config;
	e->epoll_fd = e->wake_fd = -1;
	e->timer_ms = INT64_MAX;
	e->next_sweep_ms = clock_ms() + SWEEP_MS;
	e->commanded_last = &e->commanded_first;
	pthread_mutex_init(&e->lock, NULL);
	e->shared.proxy = config->proxy != NULL ? strdup(config->proxy) : NULL;
	e->shared.cacert = config->cacert != NULL ? strdup(config->cacert) : NULL;
	if (prepare_multi(e) != 0) {
		buf_addf(why, "fetching: %s", strerror(errno));
		engine_free(e);
		return NULL;
	}
	return e;
}

void engine_wake(struct engine *e)
{
	eventfd_write(e->wake_fd, 1);
}

const char *engine_libraries(void)
{
	return curl_version();
}
