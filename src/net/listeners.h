/*
 * listeners: the sockets that clients connect to: those of --listen, and that of --admin-listen, where only curlew's
 * own pages are served.
 *
 * The main thread opens and closes them, before the loops start and after they have ended. In between they are only
 * read, by any thread.
 */
#ifndef CURLEW_NET_LISTENERS_H
#define CURLEW_NET_LISTENERS_H

#include "net/unix_socket.h"

#include <stdbool.h>
#include <stddef.h>

struct conf;

/* VALUES: of --listen. ADDRESSES: of one value, if it is a name with several. */
enum { LISTENERS_VALUES = 32, LISTENERS_ADDRESSES = 8, LISTENERS_NAME = 1100 };

struct listeners {
	int fds[(LISTENERS_VALUES + 1) * LISTENERS_ADDRESSES];
	size_t count;
	size_t admin_first;                                        /* from here on they are those of --admin-listen */
	bool passed[(LISTENERS_VALUES + 1) * LISTENERS_ADDRESSES]; /* by the service manager, which keeps it open */
	struct unix_socket files[LISTENERS_VALUES + 1];
	size_t file_count;
};

/* Checks the addresses. 0, or -1 with the error on stderr. */
int listeners_check(const struct conf *);
/* True when one of the addresses of --listen can be reached from other machines. Names are looked up. */
bool listeners_reach_beyond(const struct conf *);
/* Takes the sockets that the service manager passes (passed_sockets.h), and opens the addresses of conf. Passed sockets
 * take the place of --listen; those with the name "admin" take the place of --admin-listen. 0, or -1 with the error on
 * stderr. Call listeners_close() in both cases. */
int listeners_open(struct listeners *, const struct conf *);
/* For connections that will be accepted. Any thread. */
void listeners_set_send_timeout(const struct listeners *, double seconds);
/* From now on new connections are refused. A passed socket is not ours to end: connections wait there for the next
 * server. */
void listeners_refuse(const struct listeners *);
/* Closes them, and removes their socket files. */
void listeners_close(struct listeners *);

/* True when this listener is one of --admin-listen. */
bool listeners_is_admin(const struct listeners *, int fd);
/* True when only this machine can connect to the listeners of --listen: they are loopback addresses or unix sockets. */
bool listeners_are_loopback(const struct listeners *);
/* The actual address of a listener: "ADDR:PORT" (for port 0, the port the system chose) or "unix:PATH". 0, or -1. */
int listeners_name(int fd, char name[LISTENERS_NAME]);
/* Writes the addresses to stderr, a line each. */
void listeners_announce(const struct listeners *);
/* True when a connected socket leads to one of these listeners: curlew would talk to itself. */
bool listeners_have_peer(const struct listeners *, int fd);

#endif
