/*
 * unix_socket: a listening unix socket and its file. The file belongs to whoever made it: it is removed at the end only
 * if it is still the same file, because a server that took our place may have replaced it.
 */
#ifndef CURLEW_NET_UNIX_SOCKET_H
#define CURLEW_NET_UNIX_SOCKET_H

#include "base/owner.h"

#include <sys/types.h>

struct unix_socket {
	char *path; /* NULL: it has no file */
	dev_t dev;
	ino_t ino;
};

/* Makes a non-blocking socket that is bound to path, without listening yet: nobody can connect until listen() is
 * called. A file that a server left when it was killed is replaced; that of a server that still listens is not
 * (EADDRINUSE), and neither is any other file. Returns the descriptor, or -1 with errno. Call unix_socket_remove() in
 * both cases. */
int unix_socket_bind(struct unix_socket *, const char *path, mode_t, const struct owner *);
/* Removes the file if it is ours, and forgets it. */
void unix_socket_remove(struct unix_socket *);

#endif
