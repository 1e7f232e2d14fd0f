#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/listeners.h"
#include "net/threadpool.h"
#include "proxy/dispatch.h"
#include "proxy/ramcache.h"
#include "proxy/server_names.h"
#include "server/loop_conns.h"
#include "server/loop_set.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 20, BREAK_S = 2 };

struct server {
	struct context context;
	struct loop_set *loops;
	struct listeners listeners;
};

/* --- start and end --- */

static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* 0, or the exit status; what went wrong has been said. */
static int server_open(struct server *s, const struct conf *conf)
{
	struct buf why;
	const char *access = conf_text(conf, "access-log");
	buf_init(&why, BUF_LINE);
	int status =
	    listeners_check(conf) != 0 || server_name_check(conf) != 0 ? 2 : context_open(&s->context, conf, &why);
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
	if (log_access_open(access) != 0) {
		buf_addf(&why, "--access-log %s: %s (give a file that can be written)", access, strerror(errno));
		goto out;
	}
	flight_table_join_stored(s->context.flights);
	struct loop_set_config config = {
	    .context = &s->context,
	    .listeners = &s->listeners,
	    .head_timeout_s = conf_seconds(conf, "head-timeout"),
	    .idle_timeout_s = conf_seconds(conf, "idle-timeout"),
	    .thread_wait_s = conf_seconds(conf, "thread-wait"),
	    .min_rate = conf_number(conf, "min-rate"),
	    .run = dispatch_run,
	};
	s->loops = loop_set_new(&config, &why);
	status = s->loops != NULL ? 0 : 1;
out:
	if (why.len > 0)
		log_say("%s", buf_str(&why));
	buf_fini(&why);
	return status;
}

static void add_setting(void *ctx, const char *name, const char *value, const char *source)
{
	(void)source;
	/* Who reads it stands elsewhere. */
	char *place = strcmp(name, "root") == 0 ? realpath(value, NULL) : NULL;
	if (value[0] != '\0' && strcmp(name, "listen") != 0)
		buf_addf(ctx, "%s %s\n", name, place != NULL ? place : value);
	free(place);
}

/* For who looks into the cache (`curlew explain`): what is served here, and how. */
static void note_settings(const struct server *s)
{
	struct buf settings;
	buf_init(&settings, BUF_PAGE);
	char name[LISTENERS_NAME];
	for (size_t i = 0; i < s->listeners.count; i++)
		if (s->listeners.fds[i] != s->listeners.admin &&
		    listeners_name(&s->listeners, s->listeners.fds[i], name) == 0)
			buf_addf(&settings, "listen %s\n", name);
	conf_each(s->context.conf, add_setting, &settings);
	store_note_server(s->context.store, buf_str(&settings));
	buf_fini(&settings);
}

static void server_close(struct server *s)
{
	if (s->loops != NULL)
		loop_set_stop(s->loops);
	bool quiet = threadpool_end(s->context.threadpool, BREAK_S);
	if (!quiet) { /* a thread hangs in a call we cannot end: keep what is queued and go */
		store_hurry(s->context.store);
		store_flush(s->context.store);
		log_access_close();
		_exit(0);
	}
	if (s->loops != NULL)
		loop_set_free(s->loops);
	ramcache_free(s->context.ramcache);
	listeners_close(&s->listeners);
	context_close(&s->context);
	log_access_close();
}

/* Lets running answers finish for a while; a second signal ends the patience. */
static void drain(struct server *s, const sigset_t *signals)
{
	double until = clock_s() + conf_seconds(s->context.conf, "drain");
	struct timespec tick = {0, POLL_MS * 1000000L};
	loop_set_drain(s->loops);
	for (size_t i = 0; i < s->listeners.count; i++) /* refused at once; the numbers stay ours until the loops are
							   through */
		shutdown(s->listeners.fds[i], SHUT_RDWR);
	while (loop_conns_count(s->loops) > 0 && clock_s() < until) {
		int sig = sigtimedwait(signals, NULL, &tick);
		if (sig == SIGTERM || sig == SIGINT)
			break;
	}
	if (loop_conns_count(s->loops) > 0)
		loop_conns_break(s->loops);
}

int server_run(const struct conf *conf)
{
	struct server s = {.listeners = {.admin = -1}};
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: all inherit it */
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	int status = server_open(&s, conf);
	if (status != 0) {
		server_close(&s);
		return status;
	}
	note_settings(&s);
	listeners_announce(&s.listeners);
	for (;;) {
		int sig = 0;
		sigwait(&signals, &sig);
		if (sig != SIGHUP)
			break;
		log_access_reopen();
	}
	drain(&s, &signals);
	server_close(&s);
	return 0;
}
