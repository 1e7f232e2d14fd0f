#include "serve/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/hot.h"
#include "serve/lane.h"
#include "serve/names.h"
#include "serve/request.h"
#include "serve/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTENERS = 32, BACKLOG = 4096, POLL_MS = 20, BREAK_S = 2, LISTENER_NAME = NI_MAXHOST + NI_MAXSERV + 4 };

struct server {
	struct service service;
	struct lanes *lanes;
	int listeners[LISTENERS];
	size_t listener_count;
};

/* --- listening --- */

/* "ADDR:PORT" or "[ADDR]:PORT" into host and port. The address must be said: a bare port would listen to the world. */
static int split_address(const char *at, char host[256], char port[16])
{
	const char *colon = strrchr(at, ':');
	size_t n = colon != NULL ? (size_t)(colon - at) : 0;
	snprintf(port, 16, "%s", colon != NULL ? colon + 1 : "");
	if (n == 0 || port[0] == '\0' || port[strspn(port, "0123456789")] != '\0' || strlen(port) > 5 || atoi(port) > 65535 || n >= 255)
		return -1;
	if (n > 1 && at[0] == '[' && at[n - 1] == ']') {
		at++;
		n -= 2;
	}
	memcpy(host, at, n);
	host[n] = '\0';
	return 0;
}

static int listen_on(const struct addrinfo *ai, double send_timeout_s)
{
	int on = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	struct timeval tv = {(time_t)send_timeout_s, (suseconds_t)((send_timeout_s - (double)(time_t)send_timeout_s) * 1e6)};
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	/* accepted sockets inherit these two */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* ADDR:PORT of a listener as it is, which port 0 does not say. */
static int name_listener(int fd, char *text, size_t size)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	if (getsockname(fd, (struct sockaddr *)&at, &n) != 0 ||
	    getnameinfo((struct sockaddr *)&at, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -1;
	bool v6 = at.ss_family == AF_INET6;
	snprintf(text, size, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	return 0;
}

static void say_listening(int fd)
{
	char name[LISTENER_NAME];
	if (name_listener(fd, name, sizeof name) == 0)
		log_say("listening on %s", name);
}

static int check_listeners(const struct conf *conf)
{
	char host[256], port[16];
	const char *address;
	for (size_t i = 0; (address = conf_item(conf, "listen", i)) != NULL; i++)
		if (i == LISTENERS || split_address(address, host, port) != 0) {
			log_say("--listen %s: %s", address,
			    i == LISTENERS ? "too many addresses" : "not understood (give ADDR:PORT, like 127.0.0.1:8899 or [::1]:8899)");
			return -1;
		}
	return 0;
}

static int open_listener(struct server *s, const char *address)
{
	char host[256], port[16];
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found = NULL;
	split_address(address, host, port);
	int rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0) {
		log_say("--listen %s: %s (give an address of this machine)", address, gai_strerror(rc));
		return -1;
	}
	int fd = listen_on(found, conf_seconds(s->service.conf, "send-timeout"));
	freeaddrinfo(found);
	if (fd < 0) {
		const char *help = errno == EADDRINUSE ? "another server has it: stop that one or choose another port"
		    : errno == EACCES		       ? "ports below 1024 need root: choose another port"
						       : "give an address of this machine";
		log_say("--listen %s: %s (%s)", address, strerror(errno), help);
		return -1;
	}
	s->listeners[s->listener_count++] = fd;
	return 0;
}

static int open_listeners(struct server *s)
{
	for (size_t i = 0; conf_item(s->service.conf, "listen", i) != NULL; i++)
		if (open_listener(s, conf_item(s->service.conf, "listen", i)) != 0)
			return -1;
	return 0;
}

static void close_listeners(struct server *s)
{
	for (size_t i = 0; i < s->listener_count; i++)
		close(s->listeners[i]);
	s->listener_count = 0;
}

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
	int status = check_listeners(conf) != 0 || names_check(conf) != 0 ? 2 : service_open(&s->service, conf, &why);
	if (status != 0)
		goto out;
	status = 1;
	s->service.hot = hot_new();
	s->service.workers = workers_new((unsigned)conf_number(conf, "threads"));
	if (s->service.hot == NULL || s->service.workers == NULL) {
		buf_adds(&why, "serve: out of memory");
		goto out;
	}
	if (open_listeners(s) != 0)
		goto out;
	if (log_access_open(access) != 0) {
		buf_addf(&why, "--access-log %s: %s (give a file that can be written)", access, strerror(errno));
		goto out;
	}
	struct lanes_config config = {
	    .service = &s->service,
	    .listeners = s->listeners,
	    .listener_count = s->listener_count,
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
	char name[LISTENER_NAME];
	for (size_t i = 0; i < s->listener_count; i++)
		if (name_listener(s->listeners[i], name, sizeof name) == 0)
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
	close_listeners(s);
	service_close(&s->service);
	log_access_close();
}

/* Lets running answers finish for a while; a second signal ends the patience. */
static void drain(struct server *s, const sigset_t *signals)
{
	double until = clock_s() + conf_seconds(s->service.conf, "drain");
	struct timespec tick = {0, POLL_MS * 1000000L};
	lanes_drain(s->lanes);
	for (size_t i = 0; i < s->listener_count; i++) /* refused at once; the numbers stay ours until the lanes are through */
		shutdown(s->listeners[i], SHUT_RDWR);
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
	struct server s = {0};
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
	for (size_t i = 0; i < s.listener_count; i++)
		say_listening(s.listeners[i]);
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
