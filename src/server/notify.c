/*
 * Not libsystemd: the protocol is one datagram, which systemd promises to keep (sd_notify(3)), and the library would
 * bring four others into a process that reads from the network. docs/operations.md tells more.
 */
#include "server/notify.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The address of the service manager: a path, or a name that begins with @. Its length; 0: none that we know. */
static socklen_t manager_address(struct sockaddr_un *at)
{
	const char *where = getenv("NOTIFY_SOCKET");
	size_t n = where != NULL ? strlen(where) : 0;
	if (n < 2 || n >= sizeof at->sun_path || (where[0] != '/' && where[0] != '@'))
		return 0;
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(at->sun_path, where, n);
	if (where[0] == '@')
		at->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static void send_text(const char *text, size_t n)
{
	static bool reported;
	struct sockaddr_un at;
	socklen_t size = manager_address(&at);
	if (size == 0)
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool sent = fd >= 0 && sendto(fd, text, n, MSG_NOSIGNAL, (struct sockaddr *)&at, size) == (ssize_t)n;
	if (!sent && !reported) {
		log_say("NOTIFY_SOCKET: %s (the service manager does not learn how the server is)", strerror(errno));
		reported = true;
	}
	if (fd >= 0)
		close(fd);
}

void notify_send(const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	send_text(text, n < 0 ? 0 : n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void notify_reloading(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the settings again",
	    (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

int64_t notify_watchdog_ms(void)
{
	const char *every = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");
	int64_t us, pid;
	if (every == NULL || units_count(every, &us) != 0 || us <= 0)
		return 0;
	if (process != NULL && (units_count(process, &pid) != 0 || pid != getpid()))
		return 0;
	return us < 1000 ? 1 : us / 1000;
}
