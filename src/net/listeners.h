/*
 * listeners: the sockets that clients connect to: those of --listen, and that of --admin-listen, where only curlew's
 * own pages are served.
 *
 * The main thread opens and closes them, before the loops start and after they have ended. In between they are only
 * read, by any thread.
 */
#ifndef CURLEW_NET_LISTENERS_H
#define CURLEW_NET_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

struct conf;

enum { LISTENERS_MOST = 32, LISTENERS_NAME = 1100 };

struct listeners {
	int fds[LISTENERS_MOST + 1]; /* that of --admin-listen is the last one */
	size_t count;
	int admin;  /* that of --admin-listen; -1: there is none */
	char *path; /* of its socket file; NULL: it has none */
};

/* Checks the addresses. 0, or -1 with the error on stderr. */
int listeners_check(const struct conf *);
/* Opens all addresses of conf. 0, or -1 with the error on stderr. Call listeners_close() in both cases. */
int listeners_open(struct listeners *, const struct conf *);
/* Closes them, and removes the socket file. */
void listeners_close(struct listeners *);

/* The actual address of a listener: "ADDR:PORT" (for port 0, the port the system chose) or "unix:PATH". 0, or -1. */
int listeners_name(const struct listeners *, int fd, char name[LISTENERS_NAME]);
/* Writes the addresses to stderr, a line each. */
void listeners_announce(const struct listeners *);
/* True when a connected socket leads to one of these listeners: curlew would talk to itself. */
bool listeners_have_peer(const struct listeners *, int fd);

#endif
