#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int output_write(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			struct pollfd room = {.fd = fd, .events = POLLOUT};
			if (poll(&room, 1, -1) < 0 && errno != EINTR)
				return -1;
			continue;
		}
		if (done < 0)
			return -1;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

/* For fopencookie(): the cookie is the descriptor, and 0 means an error. */
static ssize_t write_cookie(void *cookie, const char *bytes, size_t n)
{
	return output_write((int)(intptr_t)cookie, bytes, n) == 0 ? (ssize_t)n : 0;
}

static FILE *open_stream(int fd, int buffering)
{
	FILE *f = fopencookie((void *)(intptr_t)fd, "w", (cookie_io_functions_t){.write = write_cookie});
	if (f != NULL)
		setvbuf(f, NULL, buffering, BUFSIZ);
	return f;
}

int output_open_streams(void)
{
	FILE *out = open_stream(STDOUT_FILENO, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
	FILE *err = open_stream(STDERR_FILENO, _IONBF);
	if (out == NULL || err == NULL)
		return -1;
	stdout = out;
	stderr = err;
	return 0;
}

void output_make_blocking(void)
{
	for (int fd = 0; fd < 3; fd++) {
		char path[32];
		int flags = fcntl(fd, F_GETFL);
		if (flags < 0 || !(flags & O_NONBLOCK))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		int own = open(path, (flags & O_ACCMODE) | O_NOCTTY | O_CLOEXEC | (flags & O_APPEND));
		if (own >= 0) {
			dup2(own, fd);
			close(own);
		} else { /* a socket, or a pipe of another user */
			fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
		}
	}
}
