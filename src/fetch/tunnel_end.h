/*
 * tunnel_end: one end of a tunnel: a connected socket, with TLS or without. It does not block, except where a function
 * takes a time limit.
 *
 * An end belongs to one thread at a time.
 */
#ifndef CURLEW_FETCH_TUNNEL_END_H
#define CURLEW_FETCH_TUNNEL_END_H

#include "base/span.h"

#include <stdbool.h>
#include <sys/types.h>

struct ssl_st;

struct tunnel_end {
	int fd;
	struct ssl_st *tls;                   /* NULL: none */
	short recv_waits_for, send_waits_for; /* events of poll() that receiving and sending wait for */
};

/* An end without TLS. Takes fd: tunnel_end_close() closes it. */
struct tunnel_end tunnel_end_of(int fd);
/* Makes it the client of a TLS connection, and verifies the certificate for this host (IPv6 without brackets). cacert:
 * a PEM file of trusted certificates, or NULL for the system's. fd must not block. 0, or -1 with a sentence in message;
 * the end is still to be closed. */
int tunnel_end_secure(struct tunnel_end *, const char *host, const char *cacert, int limit_ms, char message[256]);
/* Ends TLS, if there is any, and closes the socket. */
void tunnel_end_close(struct tunnel_end *);

/* As recv() and send() with MSG_DONTWAIT: a number of bytes; 0 from recv: the other side has sent everything; -1 with
 * errno, EAGAIN if it would block. */
ssize_t tunnel_end_recv(struct tunnel_end *, char *bytes, size_t n);
ssize_t tunnel_end_send(struct tunnel_end *, const char *bytes, size_t n);
/* Tells the other side that it has received everything. */
void tunnel_end_half_close(struct tunnel_end *);

/* The events to wait for with poll() before receiving, sending, or either. */
short tunnel_end_events(const struct tunnel_end *, bool recv, bool send);
/* True when bytes can be received although poll() may not report it: TLS has decrypted them already. */
bool tunnel_end_has_bytes(const struct tunnel_end *);

/* Sends all of it. Waits for limit_ms at most without progress. 0, or -1. */
int tunnel_end_send_all(struct tunnel_end *, struct span, int limit_ms);
/* As tunnel_end_recv(), but waits for limit_ms. -1 with EAGAIN: nothing arrived in time. */
ssize_t tunnel_end_wait(struct tunnel_end *, char *bytes, size_t n, int limit_ms);

#endif
