/*
 * libcurl starts a thread for each look-up. With CURLOPT_QUICK_EXIT it does not wait for that thread when a transfer is
 * cancelled; without it, one dead name server would stop every other transfer. But the thread goes on until
 * getaddrinfo() returns. So look-ups are counted here: one for each name, and NAME_LOOKUPS_MAX in all. A transfer that
 * needs a name which is being looked up waits, and then finds the address in libcurl's cache.
 *
 * When an abandoned thread ends, it closes its end of the socket pair by which it would have reported. We keep a
 * duplicate of our end to see that. With a libcurl that reports in another way, an abandoned look-up counts for
 * ABANDONED_MS.
 */
#include "fetch/name_lookups.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ABANDONED_MS = 60000 };

struct name_lookup {
	struct name_lookup *next;
	struct name_wait *owner;   /* of the transfer that began it; NULL: that has left */
	struct name_wait *waiting; /* transfers that wait for it, linked by next */
	bool found;                /* its address is known: name_lookups_notify() will close it */
	int end_fd;                /* hangs up when the thread has ended; -1: none */
	int64_t forget_at_ms;
	char name[]; /* the host, as in the URL */
};

struct name_lookups {
	int epoll_fd;
	void (*ready)(struct name_wait *, bool found);
	struct name_lookup *first;
	unsigned count;
	bool found; /* at least one look-up is found: saves a walk through the list */
};

struct name_lookups *name_lookups_new(int epoll_fd, void (*ready)(struct name_wait *, bool found))
{
	struct name_lookups *t = malloc(sizeof *t);
	if (t != NULL)
		*t = (struct name_lookups){.epoll_fd = epoll_fd, .ready = ready};
	return t;
}

struct span name_lookups_host(const char *url)
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

/* Digits and dots alone are no host name, and brackets hold an IPv6 address. */
bool name_lookups_is_address(struct span host)
{
	for (size_t i = 0; i < host.len && host.at[0] != '['; i++)
		if (strchr("0123456789.", host.at[i]) == NULL)
			return false;
	return true;
}

enum name_verdict name_lookups_begin(struct name_lookups *t, struct name_wait *w, struct span host)
{
	if (name_lookups_is_address(host) || w->lookup != NULL)
		return NAME_BEGUN;
	for (struct name_lookup *l = t->first; l != NULL; l = l->next) {
		if (!span_is_nocase(host, l->name))
			continue;
		*w = (struct name_wait){.lookup = l, .waits = true, .next = l->waiting};
		l->waiting = w;
		return NAME_WAITS;
	}
	struct name_lookup *l = t->count < NAME_LOOKUPS_MAX ? malloc(sizeof *l + host.len + 1) : NULL;
	if (l == NULL)
		return NAME_FULL;
	/* libcurl starts its thread right after this. It counts until it has ended, even if its transfer is gone. */
	*l = (struct name_lookup){.next = t->first, .owner = w, .end_fd = -1};
	memcpy(l->name, host.at, host.len);
	l->name[host.len] = '\0';
	t->first = l;
	t->count++;
	w->lookup = l;
	return NAME_BEGUN;
}

/* The look-up is over: it leaves the list, and ready() is called for the transfers that wait. ready() may begin other
 * look-ups, so the list is changed first. */
static void close_lookup(struct name_lookups *t, struct name_lookup *l, bool found)
{
	struct name_lookup **at = &t->first;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	t->count--;
	if (l->end_fd >= 0)
		close(l->end_fd);
	for (struct name_wait *w = l->waiting, *next; w != NULL; w = next) {
		next = w->next;
		*w = (struct name_wait){0};
		t->ready(w, found);
	}
	free(l);
}

void name_lookups_found(struct name_lookups *t, struct name_wait *w)
{
	if (w->lookup == NULL || w->waits)
		return;
	/* Only noted: this may be a callback of libcurl, in which the waiting transfers cannot begin. */
	w->lookup->found = true;
	w->lookup->owner = NULL;
	w->lookup = NULL;
	t->found = true;
}

/* ready() may begin transfers and so look-ups. Those are put in front of the list, which is not walked again. */
void name_lookups_notify(struct name_lookups *t)
{
	if (!t->found)
		return;
	t->found = false;
	for (struct name_lookup *l = t->first, *next; l != NULL; l = next) {
		next = l->next;
		if (l->found)
			close_lookup(t, l, true);
	}
}

void name_lookups_keep_end(struct name_wait *w, int fd)
{
	if (w->lookup != NULL && !w->waits && w->lookup->end_fd < 0)
		w->lookup->end_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* The transfer was cancelled, or is past its deadline. The look-up goes on for the others. */
static void stop_waiting(struct name_wait *w)
{
	struct name_wait **at = &w->lookup->waiting;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	*w = (struct name_wait){0};
}

/* The thread is on its own from here. */
static void abandon(struct name_lookups *t, struct name_lookup *l)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = l->end_fd};
	l->owner = NULL;
	l->forget_at_ms = clock_ms() + ABANDONED_MS;
	if (l->end_fd >= 0)
		epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, l->end_fd, &ev);
}

void name_lookups_leave(struct name_lookups *t, struct name_wait *w, bool no_host)
{
	struct name_lookup *l = w->lookup;
	if (l == NULL)
		return;
	if (w->waits) {
		stop_waiting(w);
		return;
	}
	w->lookup = NULL;
	if (no_host)
		close_lookup(t, l, false);
	else
		abandon(t, l);
}

/* The thread has ended. Whether it found the name is not known, so those that wait try again. */
bool name_lookups_event(struct name_lookups *t, int fd)
{
	for (struct name_lookup *l = t->first; l != NULL; l = l->next)
		if (l->end_fd == fd && l->owner == NULL) {
			close_lookup(t, l, true);
			return true;
		}
	return false;
}

void name_lookups_sweep(struct name_lookups *t, int64_t now_ms)
{
	for (struct name_lookup *l = t->first, *next; l != NULL; l = next) {
		next = l->next;
		if (l->owner == NULL && !l->found && now_ms >= l->forget_at_ms)
			close_lookup(t, l, true);
	}
}

void name_lookups_free(struct name_lookups *t)
{
	if (t == NULL)
		return;
	while (t->first != NULL)
		close_lookup(t, t->first, true);
	free(t);
}
