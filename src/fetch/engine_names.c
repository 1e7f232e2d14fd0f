/*
 * Look-ups of names in progress. libcurl makes a thread for each, and CURLOPT_QUICK_EXIT keeps it from waiting for that thread when a transfer
 * is given up: one dead name server would stop every other transfer. The thread goes on until getaddrinfo() returns, so it is counted here:
 * one a name, ENGINE_LOOKUPS in all. A transfer that needs a name somebody is looking up waits for that look-up, and then finds the address
 * in libcurl's cache.
 *
 * A thread that was given up closes its end of the socket pair by which it would have reported. We keep a duplicate of our end to see it.
 * A libcurl that reports in another way lets an abandoned look-up count for ABANDONED_MS.
 */
#include "fetch/engine_internal.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ABANDONED_MS = 60000 };

struct name_lookup {
	struct name_lookup *next;
	struct fetch *owner;    /* the transfer whose thread it is; NULL: that was given up */
	struct fetch *waiting;  /* through next_waiting */
	bool found;             /* its address is known: close_lookup() is due */
	int end_fd;             /* hangs up when the thread has ended; -1: none */
	int64_t forget_at_ms;
	char name[];            /* the host, as in the URL */
};

/* The host of a URL without credentials, or of an upstream proxy, which may have some and no scheme. */
static struct span host_of(const char *url)
{
	const char *host = strstr(url, "://");
	host = host != NULL ? host + 3 : url;
	struct span authority = span_make(host, strcspn(host, "/?#"));
	const char *at = memrchr(authority.at, '@', authority.len);
	if (at != NULL)
		authority = span_from(authority, (size_t)(at - authority.at) + 1);
	size_t n = authority.len > 0 && authority.at[0] == '[' ? authority.len : strcspn(authority.at, ":/?#");
	return span_make(authority.at, n < authority.len ? n : authority.len);
}

static bool is_address(struct span host)
{
	for (size_t i = 0; i < host.len && host.at[0] != '['; i++)
		if (strchr("0123456789.", host.at[i]) == NULL)
			return false;
	return true;
}

enum lookup_verdict names_begin(struct fetch *f)
{
	struct engine *e = f->engine;
	struct span host = host_of(e->proxy != NULL ? e->proxy : f->url);
	if (is_address(host) || f->lookup != NULL)
		return LOOKUP_BEGUN;
	for (struct name_lookup *l = e->lookups; l != NULL; l = l->next) {
		if (!span_is_nocase(host, l->name))
			continue;
		f->lookup = l;
		f->waits_for_name = true;
		f->next_waiting = l->waiting;
		l->waiting = f;
		return LOOKUP_WAITS;
	}
	struct name_lookup *l = e->lookup_count < ENGINE_LOOKUPS ? malloc(sizeof *l + host.len + 1) : NULL;
	if (l == NULL)
		return LOOKUP_FULL;
	*l = (struct name_lookup){.next = e->lookups, .owner = f, .end_fd = -1};
	memcpy(l->name, host.at, host.len);
	l->name[host.len] = '\0';
	e->lookups = l;
	e->lookup_count++;
	f->lookup = l;
	return LOOKUP_BEGUN;
}

static void unlink_lookup(struct engine *e, struct name_lookup *l)
{
	struct name_lookup **at = &e->lookups;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	e->lookup_count--;
}

/* The look-up is over. Those who waited begin again, or fail as it did. */
static void close_lookup(struct engine *e, struct name_lookup *l, enum engine_outcome outcome)
{
	unlink_lookup(e, l);
	if (l->end_fd >= 0)
		close(l->end_fd);
	for (struct fetch *f = l->waiting, *next; f != NULL; f = next) {
		next = f->next_waiting;
		f->waits_for_name = false;
		f->lookup = NULL;
		if (outcome == ENGINE_OK)
			engine_restart(f);
		else
			engine_fail(f, outcome, CURLE_COULDNT_RESOLVE_HOST, "the name does not resolve");
	}
	free(l);
}

void names_found(struct fetch *f)
{
	if (f->lookup == NULL || f->waits_for_name)
		return;
	f->lookup->found = true;
	f->lookup->owner = NULL;
	f->lookup = NULL;
	f->engine->lookups_found = true;
}

void names_settle(struct engine *e)
{
	if (!e->lookups_found)
		return;
	e->lookups_found = false;
	for (struct name_lookup *l = e->lookups, *next; l != NULL; l = next) {
		next = l->next;
		if (l->found)
			close_lookup(e, l, ENGINE_OK);
	}
}

void names_keep_end(struct fetch *f, int fd)
{
	if (f->lookup != NULL && !f->waits_for_name && f->lookup->end_fd < 0)
		f->lookup->end_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void stop_waiting(struct fetch *f)
{
	struct fetch **at = &f->lookup->waiting;
	while (*at != f)
		at = &(*at)->next_waiting;
	*at = f->next_waiting;
	f->waits_for_name = false;
	f->lookup = NULL;
}

/* The thread is on its own from here. */
static void abandon(struct engine *e, struct name_lookup *l)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = l->end_fd};
	l->owner = NULL;
	l->forget_at_ms = clock_ms() + ABANDONED_MS;
	if (l->end_fd >= 0)
		epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, l->end_fd, &ev);
}

void names_leave(struct fetch *f, enum engine_outcome outcome)
{
	struct name_lookup *l = f->lookup;
	if (l == NULL)
		return;
	if (f->waits_for_name) {
		stop_waiting(f);
		return;
	}
	f->lookup = NULL;
	if (outcome == ENGINE_NO_HOST)
		close_lookup(f->engine, l, outcome);
	else
		abandon(f->engine, l);
}

bool names_event(struct engine *e, int fd)
{
	for (struct name_lookup *l = e->lookups; l != NULL; l = l->next)
		if (l->end_fd == fd) {
			close_lookup(e, l, ENGINE_OK);
			return true;
		}
	return false;
}

void names_sweep(struct engine *e, int64_t now_ms)
{
	for (struct name_lookup *l = e->lookups, *next; l != NULL; l = next) {
		next = l->next;
		if (l->owner == NULL && !l->found && now_ms >= l->forget_at_ms)
			close_lookup(e, l, ENGINE_OK);
	}
}

void names_fini(struct engine *e)
{
	while (e->lookups != NULL)
		close_lookup(e, e->lookups, ENGINE_OK);
}
