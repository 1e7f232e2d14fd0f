/*
 * The main thread opens everything, then waits for signals, then closes everything. It serves nobody.
 *
 * The order of the end matters:
 * 1. Drain: no new connections; requests in progress may finish within --drain seconds. Then the remaining sockets are
 *    shut down, so that blocked pool threads wake up.
 * 2. Stop the loops: no more requests are given to the pool.
 * 3. End the pool: its threads still give connections back to the loops, which must exist until then.
 * 4. Free the loops with the remaining connections, then all that requests have used: listeners, context, log.
 *
 * If a pool thread does not end (it blocks in a call that nothing interrupts), nothing that it uses may be freed. Then
 * the queued writes and the log are flushed, and the process exits without closing the rest.
 */
#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/listeners.h"
#include "net/threadpool.h"
#include "proxy/access.h"
#include "proxy/exchange_run.h"
#include "proxy/options.h"
#include "proxy/ramcache.h"
#include "server/loop_conns.h"
#include "server/loop_set.h"
#include "server/notify.h"
#include "server/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* BREAK_S: how long pool threads may take to end after their sockets were shut down. */
enum { POLL_MS = 20, BREAK_S = 2 };

struct server {
	struct context context;
	struct loop_set *loops;
	struct listeners listeners;
};

/* --- start and end --- */

/* Every connection takes a descriptor, and a request may take three more; the usual soft limit of 1,024 is soon
 * reached. */
static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* 0, or the exit status after the error was reported. Call server_close() in both cases. */
static int server_open(struct server *s, const struct conf *conf)
{
	struct buf why;
	const char *access = conf_text(conf, "access-log");
	buf_init(&why, BUF_LINE);
	int status = context_check(conf) != 0 ? 2 : context_open(&s->context, conf, &why);
	if (status != 0)
		goto out;
	status = 1;
	s->context.ramcache = ramcache_new();
	s->context.threadpool = threadpool_new((unsigned)conf_number(conf, "threads"));
	if (s->context.ramcache == NULL || s->context.threadpool == NULL) {
		buf_adds(&why, "serve: out of memory");
		goto out;
	}
	s->context.listeners = &s->listeners;
	if (listeners_open(&s->listeners, conf) != 0)
		goto out;
	if (access_check_exposure(conf, !listeners_are_loopback(&s->listeners)) != 0) {
		status = 2;
		goto out;
	}
	s->context.limits = client_limits_new();
	if (s->context.limits == NULL) {
		buf_adds(&why, "serve: out of memory");
		goto out;
	}
	if (log_access_open(access) != 0) {
		buf_addf(&why, "--access-log %s: %s (give a file that can be written)", access, strerror(errno));
		goto out;
	}
	flight_combine_stored(s->context.flights);
	struct loop_set_config config = {
	    .context = &s->context,
	    .listeners = &s->listeners,
	    .run = exchange_run_on_pool,
	};
	s->loops = loop_set_new(&config, &why);
	status = s->loops != NULL ? 0 : 1;
out:
	if (why.len > 0)
		log_say("%s", buf_str(&why));
	buf_fini(&why);
	return status;
}

static void server_close(struct server *s)
{
	if (s->loops != NULL)
		loop_set_stop(s->loops);
	bool quiet = threadpool_end(s->context.threadpool, BREAK_S);
	if (!quiet) { /* a thread still runs: see above */
		store_hurry(s->context.store);
		store_flush(s->context.store);
		log_access_close();
		_exit(0);
	}
	if (s->loops != NULL)
		loop_set_free(s->loops);
	ramcache_free(s->context.ramcache);
	listeners_close(&s->listeners);
	client_limits_free(s->context.limits);
	context_close(&s->context);
	log_access_close();
}

/* Lets requests in progress finish, for --drain seconds or until a second signal. */
static void drain(struct server *s, const sigset_t *signals)
{
	double until = clock_s() + conf_seconds(options_now(&s->context)->conf, "drain");
	struct timespec tick = {0, POLL_MS * 1000000L};
	loop_set_drain(s->loops);
	/* The descriptors stay open until the loops have ended: a loop may be about to accept, and the number must not
	 * become another file's. */
	listeners_refuse(&s->listeners);
	while (loop_conns_count(s->loops) > 0 && clock_s() < until) {
		int sig = sigtimedwait(signals, NULL, &tick);
		if (sig == SIGTERM || sig == SIGINT)
			break;
	}
	if (loop_conns_count(s->loops) > 0)
		loop_conns_break(s->loops);
}

/* The next signal. While the service manager watches, it is told again and again that the loops run: a server whose
 * loops hang is no server, although this thread may be fine. */
static int await_signal(struct server *s, const sigset_t *signals, int64_t watchdog_ms)
{
	int64_t step_ms = watchdog_ms / 3 > 0 ? watchdog_ms / 3 : 1;
	struct timespec step = {step_ms / 1000, step_ms % 1000 * 1000000L};
	int sig = 0;
	if (watchdog_ms == 0) {
		sigwait(signals, &sig);
		return sig;
	}
	while ((sig = sigtimedwait(signals, NULL, &step)) <= 0) {
		if (loop_set_turns(s->loops))
			notify_send("WATCHDOG=1");
		else
			log_trouble("watchdog", "an event loop hangs: the service manager will end this process");
	}
	return sig;
}

/* Until a signal says to end. */
static void serve(struct server *s, const sigset_t *signals)
{
	int64_t watchdog_ms = notify_watchdog_ms();
	while (await_signal(s, signals, watchdog_ms) == SIGHUP) {
		notify_reloading();
		bool done = reload(&s->context);
		notify_send("READY=1\nSTATUS=%s",
		    done ? "serving"
			 : "serving with the old settings, because the new ones have an error (see the log)");
	}
}

int server_run(const struct conf *conf)
{
	struct server s = {0};
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	/* Before the first thread starts: all inherit the mask, so signals only arrive at sigwait() below. */
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* libcurl and OpenSSL write to sockets without MSG_NOSIGNAL */
	raise_file_limit();
	if (conf_flag(conf, "verbose"))
		log_show_details();
	int status = server_open(&s, conf);
	if (status != 0) {
		server_close(&s);
		return status;
	}
	reload_note_settings(&s.context);
	listeners_announce(&s.listeners);
	notify_send("READY=1\nSTATUS=serving");
	serve(&s, &signals);
	notify_send("STOPPING=1\nSTATUS=finishing the requests in progress");
	drain(&s, &signals);
	server_close(&s);
	return 0;
}
