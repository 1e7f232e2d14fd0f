/*
 * passed_sockets: listening sockets that the service manager opened and passes on (sd_listen_fds(3)): descriptors from
 * 3 on, as many as LISTEN_FDS says, with the names of LISTEN_FDNAMES, if LISTEN_PID is this process. They stay open in
 * the service manager, so connections wait in their queues while no server runs.
 *
 * The main thread, before others start.
 */
#ifndef CURLEW_NET_PASSED_SOCKETS_H
#define CURLEW_NET_PASSED_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

enum { PASSED_SOCKETS_MOST = 64, PASSED_SOCKETS_NAME = 256 };

struct passed_sockets {
	size_t count;
	int fds[PASSED_SOCKETS_MOST];    /* the caller's to close */
	bool admin[PASSED_SOCKETS_MOST]; /* its name is "admin" */
};

/* Takes them, once: the variables are removed from the environment. None is not an error. 0, or -1 when one of them is
 * not a stream socket that listens (reported). */
int passed_sockets_take(struct passed_sockets *);

#endif
