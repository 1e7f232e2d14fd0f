#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/ramcache.h"
#include "server/loop.h"
#include "net/listeners.h"
#include "proxy/server_names.h"
#include "proxy/dispatch.h"
#include "net/threadpool.h"

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
	struct service service;
	struct lanes *lanes;
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
	int status = listeners_check(conf) != 0 || names_check(conf) != 0 ? 2 : service_open(&s->service, conf, &why);
	if (status != 0)
		goto out;
	status = 1;
	s->service.hot = hot_new();
	s->service.workers = workers_new((unsigned)conf_number(conf, "threads"));
	if (s->service.hot == NULL || s->service.workers == NULL) {
		buf_adds(&why, "serve: out of memory");
		goto out;
	}
	s->service.listeners = &s->listeners;
	if (listeners_open(&s->listeners, conf) != 0)
		goto out;
	if (log_access_open(access) != 0) {
		buf_addf(&why, "--access-log %s: %s (give a file that can be written)", access, strerror(errno));
		goto out;
	}
	flights_join_stored(s->service.flights);
	struct lanes_config config = {
	    .service = &s->service,
	    .listeners = &s->listeners,
	    .head_timeout_s = conf_seconds(conf, "head-timeout"),
	    .idle_timeout_s = conf_seconds(conf, "idle-timeout"),
	    .thread_wait_s = conf_seconds(conf, "thread-wait"),
	    .min_rate = conf_number(conf, "min-rate"),
	    .run = request_run,
	};
	s->lanes = lanes_new(&config, &why);
	status = s->lanes != NULL ? 0 : 1;
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
		if (s->listeners.fds[i] != s->listeners.admin && listeners_name(&s->listeners, s->listeners.fds[i], name) == 0)
			buf_addf(&settings, "listen %s\n", name);
	conf_each(s->service.conf, add_setting, &settings);
	store_note_server(s->service.store, buf_str(&settings));
	buf_fini(&settings);
}

static void server_close(struct server *s)
{
	if (s->lanes != NULL)
		lanes_stop(s->lanes);
	bool quiet = workers_end(s->service.workers, BREAK_S);
	if (!quiet) { /* a thread hangs in a call we cannot end: keep what is queued and go */
		store_hurry(s->service.store);
		store_settle(s->service.store);
		log_access_close();
		_exit(0);
	}
	if (s->lanes != NULL)
		lanes_free(s->lanes);
	hot_free(s->service.hot);
	listeners_close(&s->listeners);
	service_close(&s->service);
	log_access_close();
}

/* Lets running answers finish for a while; a second signal ends the patience. */
static void drain(struct server *s, const sigset_t *signals)
{
	double until = clock_s() + conf_seconds(s->service.conf, "drain");
	struct timespec tick = {0, POLL_MS * 1000000L};
	lanes_drain(s->lanes);
	for (size_t i = 0; i < s->listeners.count; i++) /* refused at once; the numbers stay ours until the lanes are through */
		shutdown(s->listeners.fds[i], SHUT_RDWR);
	while (lanes_open(s->lanes) > 0 && clock_s() < until) {
		int sig = sigtimedwait(signals, NULL, &tick);
		if (sig == SIGTERM || sig == SIGINT)
			break;
	}
	if (lanes_open(s->lanes) > 0)
		lanes_break(s->lanes);
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
	listeners_say(&s.listeners);
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
