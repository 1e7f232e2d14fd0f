/*
 * Not libsystemd: the protocol is these three variables, fixed since 2010, and the library would bring four others into
 * a process that reads from the network. docs/operations.md tells more.
 */
#include "net/passed_sockets.h"

#include "base/log.h"
#include "base/units.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3 };

/* The number in a variable; 0: it is unset or malformed. */
static int64_t number_of(const char *variable)
{
	const char *text = getenv(variable);
	int64_t n;
	return text != NULL && units_count(text, &n) == 0 ? n : 0;
}

/* Takes the next of the names, which are separated by colons. */
static void next_name(const char **names, char name[PASSED_SOCKETS_NAME])
{
	size_t n = strcspn(*names, ":"), kept = n < PASSED_SOCKETS_NAME ? n : PASSED_SOCKETS_NAME - 1;
	memcpy(name, *names, kept);
	name[kept] = '\0';
	*names += n + ((*names)[n] == ':' ? 1 : 0);
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t n = sizeof value;
	return getsockopt(fd, SOL_SOCKET, option, &value, &n) == 0 ? value : -1;
}

static bool listens(int fd)
{
	int family = option_of(fd, SO_DOMAIN);
	return (family == AF_INET || family == AF_INET6 || family == AF_UNIX) && option_of(fd, SO_ACCEPTCONN) == 1 &&
	       option_of(fd, SO_TYPE) == SOCK_STREAM;
}

/* 0, or -1 after the error was reported. */
static int take_all(struct passed_sockets *passed, size_t count, const char *names)
{
	for (size_t i = 0; i < count; i++) {
		char name[PASSED_SOCKETS_NAME];
		int fd = FIRST + (int)i;
		next_name(&names, name);
		if (!listens(fd)) {
			log_say(
			    "LISTEN_FDS: descriptor %d (%s) is not a stream socket that listens (in the socket unit, "
			    "use ListenStream= and leave out Accept=)",
			    fd, name[0] != '\0' ? name : "without a name");
			return -1;
		}
		/* All that share the socket share O_NONBLOCK: two servers may see the same connection. */
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		passed->fds[passed->count] = fd;
		passed->admin[passed->count++] = strcmp(name, "admin") == 0;
	}
	return 0;
}

int passed_sockets_take(struct passed_sockets *passed)
{
	const char *names = getenv("LISTEN_FDNAMES");
	int64_t count = number_of("LISTEN_PID") == getpid() ? number_of("LISTEN_FDS") : 0;
	int rc = 0;
	passed->count = 0;
	if (count > PASSED_SOCKETS_MOST) {
		log_say("LISTEN_FDS: %lld sockets are too many (%d at most)", (long long)count, PASSED_SOCKETS_MOST);
		rc = -1;
	} else if (count > 0) {
		rc = take_all(passed, (size_t)count, names != NULL ? names : "");
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return rc;
}
