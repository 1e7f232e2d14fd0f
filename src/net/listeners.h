/*
 * listeners: the sockets that clients connect to: those of --listen, and the one of --admin-listen, which serves
 * curlew's own pages alone.
 *
 * Opened and closed by the main thread; read-only in between.
 */
#ifndef CURLEW_NET_LISTENERS_H
#define CURLEW_NET_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

struct conf;

enum { LISTENERS_MOST = 32, LISTENERS_NAME = 1100 };

struct listeners {
	int fds[LISTENERS_MOST + 1]; /* non-blocking; that of --admin-listen is the last */
	size_t count;
	int admin;  /* the one of --admin-listen, or -1 */
	char *path; /* of its socket file, or NULL */
};

/* 0, or -1 when an address is not understood, which has been said on stderr. */
int listeners_check(const struct conf *);
/* Opens all that conf names. 0, or -1 with the reason on stderr; listeners_close() is always allowed afterwards. */
int listeners_open(struct listeners *, const struct conf *);
/* Closes them, and removes the socket file. */
void listeners_close(struct listeners *);

/* The address of a listener as it is, "ADDR:PORT" (port 0 becomes the real one) or "unix:PATH". 0, or -1. */
int listeners_name(const struct listeners *, int fd, char name[LISTENERS_NAME]);
/* Says on stderr what is listened on. */
void listeners_say(const struct listeners *);
/* True when a connected socket leads to one of them: curlew would talk to itself. */
bool listeners_have_peer(const struct listeners *, int fd);

#endif
