#include "net/unix_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* If a server still listens there, connect() succeeds, or fails with EAGAIN while its backlog is full. Then the file
 * stays, and bind() reports that the address is in use. */
static void remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED)
		unlink(at->sun_path);
	if (fd >= 0)
		close(fd);
}

int unix_socket_bind(struct unix_socket *s, const char *path, mode_t mode, const struct owner *owner)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;
	memset(s, 0, sizeof *s);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	remove_stale(&at);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0)
		goto failed;
	if (lstat(path, &st) != 0 || (s->path = strdup(path)) == NULL)
		goto failed;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	/* Nobody can connect before listen(), so these come in time. */
	if (chmod(path, mode) == 0 && (!owner->gives || lchown(path, owner->uid, owner->gid) == 0))
		return fd;
failed:;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

void unix_socket_remove(struct unix_socket *s)
{
	struct stat st;
	if (s->path != NULL && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	free(s->path);
	memset(s, 0, sizeof *s);
}
