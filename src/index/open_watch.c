/* The watch is on the path, because only SQLite may open the file (invariant 9). */
#include "index/open_watch.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STEP_US 1000
#define STAY 10 /* steps */
#define STAYS 50

int open_watch_begin(const char *dir)
{
	char path[4096];
	if (snprintf(path, sizeof path, "%s/index.db", dir) >= (int)sizeof path)
		return -1;
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* IN_CLOSE_WRITE is not sent when a process that opened the file for reading closes it. A shell opens it once
	 * for reading before it opens it for writing. */
	if (watch >= 0 && inotify_add_watch(watch, path, IN_OPEN | IN_CLOSE_WRITE) < 0) {
		close(watch);
		return -1;
	}
	return watch;
}

void open_watch_end(int watch)
{
	if (watch >= 0)
		close(watch);
}

bool open_watch_came(int watch)
{
	int bytes = 0;
	return watch >= 0 && ioctl(watch, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* The last event, 0 if there was none. The events of a watched file carry no name, so all have the same size. */
static uint32_t last_event(int watch)
{
	struct inotify_event events[64];
	uint32_t last = 0;
	ssize_t got;
	while ((got = read(watch, events, sizeof events)) >= (ssize_t)sizeof events[0])
		last = events[(size_t)got / sizeof events[0] - 1].mask;
	return last;
}

void open_watch_let_pass(int watch, void (*pause)(void *ctx, int64_t us), void *ctx)
{
	if (!open_watch_came(watch))
		return;
	for (int all = 0, rest = STAY; all < STAYS && rest > 0; all++, rest--) {
		uint32_t last = last_event(watch);
		if (last & IN_CLOSE_WRITE)
			return;
		if (last & IN_OPEN)
			rest = STAY;
		pause(ctx, STEP_US);
	}
}
