/*
 * origin_sockets: the sockets of libcurl. A connection that is idle must stay silent (invariant 10). Of transfers, this
 * file knows only that each has a struct socket_use. The engine's thread only.
 */
#ifndef CURLEW_FETCH_ORIGIN_SOCKETS_H
#define CURLEW_FETCH_ORIGIN_SOCKETS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct origin_sockets;

/* A transfer's use of a connection. */
struct socket_use {
	int fd;        /* the last socket made for it, then the one of its connection; -1: none */
	int64_t taken; /* bytes of responses that libcurl took from it */
	bool bodiless; /* its head says that the response has no body: bytes after the head belong to no request */
};

/* NULL: no memory, or no descriptors. */
struct origin_sockets *origin_sockets_new(int epoll_fd, CURLM *);
/* Call after curl_multi_cleanup(), which closes the sockets. */
void origin_sockets_free(struct origin_sockets *);

/* A socket was made for a transfer. */
void origin_sockets_opened(struct origin_sockets *, struct socket_use *, int fd);
/* CURLOPT_CLOSESOCKETFUNCTION; its context is the struct origin_sockets. */
int origin_sockets_close(void *sockets, curl_socket_t);
/* For CURLMOPT_SOCKETFUNCTION. False: it is not a connection but the end of a name look-up. */
bool origin_sockets_watch(struct origin_sockets *, curl_socket_t, int what, void *known);
/* The transfer is about to send its request on the connection with these addresses and ports. False: it must not,
 * because bytes have arrived on that connection. */
bool origin_sockets_use(
    struct origin_sockets *, struct socket_use *, CURL *, const char *remote, int remote_port, int local_port);
/* The transfer gives its connection back. If bytes are waiting on it, it is closed. */
void origin_sockets_leave(struct origin_sockets *, struct socket_use *);
/* True when the event is for libcurl. False: bytes arrived on an idle connection, which is closed now, or libcurl does
 * not listen to the socket at the moment. */
bool origin_sockets_event(struct origin_sockets *, int fd);

#endif
