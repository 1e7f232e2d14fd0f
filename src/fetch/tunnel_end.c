/*
 * TLS is spoken here and not by libcurl, because libcurl gives a connection away only as a socket: its own functions
 * for sending and receiving need the handle, which belongs to the engine's thread.
 */
#include "fetch/tunnel_end.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tunnel_end tunnel_end_of(int fd)
{
	return (struct tunnel_end){.fd = fd, .recv_waits_for = POLLIN, .send_waits_for = POLLOUT};
}

void tunnel_end_close(struct tunnel_end *e)
{
	if (e->tls != NULL) {
		ERR_clear_error();
		SSL_shutdown(e->tls);
		SSL_free(e->tls);
	}
	if (e->fd >= 0)
		close(e->fd);
	*e = tunnel_end_of(-1);
}

/* --- TLS --- */

/* Reading the trusted certificates takes milliseconds, so it is done once. --cacert stays the same in a process. NULL:
 * an error, with OpenSSL's reason in its queue. */
static SSL_CTX *trusting(const char *cacert)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static SSL_CTX *shared;
	static const unsigned char http1[] = "\x08http/1.1"; /* Upgrade is a field of HTTP/1.1 only */
	pthread_mutex_lock(&lock);
	SSL_CTX *ctx = shared != NULL ? NULL : SSL_CTX_new(TLS_client_method());
	if (ctx != NULL) {
		SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_alpn_protos(ctx, http1, sizeof http1 - 1);
		if ((cacert != NULL ? SSL_CTX_load_verify_file(ctx, cacert) : SSL_CTX_set_default_verify_paths(ctx)) ==
		    1)
			shared = ctx;
		else
			SSL_CTX_free(ctx);
	}
	ctx = shared;
	pthread_mutex_unlock(&lock);
	return ctx;
}

/* The certificate must be for this host. An address has no SNI (RFC 6066 3). */
static int set_host(SSL *tls, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];
	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host);
	size_t n = strlen(host);
	char name[256];
	if (n == 0 || n >= sizeof name)
		return 0;
	memcpy(name, host, n + 1);
	if (name[n - 1] == '.') /* certificates and SNI have none */
		name[n - 1] = '\0';
	SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(tls, name) == 1 && SSL_set_tlsext_host_name(tls, name) == 1;
}

/* What poll() must report before the call is repeated; 0: it failed. */
static short wanted(const SSL *tls, int rc)
{
	switch (SSL_get_error(tls, rc)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static const char *reason(const SSL *tls)
{
	long verified = tls != NULL ? SSL_get_verify_result(tls) : X509_V_OK;
	const char *why = ERR_reason_error_string(ERR_peek_last_error());
	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return why != NULL ? why : "the connection ended";
}

int tunnel_end_secure(struct tunnel_end *e, const char *host, const char *cacert, int limit_ms, char message[256])
{
	int rc = -1;
	ERR_clear_error();
	SSL_CTX *ctx = trusting(cacert);
	e->tls = ctx != NULL ? SSL_new(ctx) : NULL;
	if (e->tls == NULL || set_host(e->tls, host) != 1 || SSL_set_fd(e->tls, e->fd) != 1) {
		snprintf(message, 256, "%s", reason(e->tls));
		return -1;
	}
	while ((rc = SSL_connect(e->tls)) != 1) {
		struct pollfd p = {.fd = e->fd, .events = wanted(e->tls, rc)};
		int n = p.events != 0 ? poll(&p, 1, limit_ms) : -1;
		if (n > 0 || (n < 0 && p.events != 0 && errno == EINTR))
			continue;
		snprintf(message, 256, "%s", n == 0 ? "the handshake took too long" : reason(e->tls));
		return -1;
	}
	return 0;
}

/* The result of SSL_read() or SSL_write() as that of recv() or send(). */
static ssize_t result(struct tunnel_end *e, int rc, short *waits_for)
{
	if (rc > 0)
		return rc;
	if (SSL_get_error(e->tls, rc) == SSL_ERROR_ZERO_RETURN)
		return 0;
	short events = wanted(e->tls, rc);
	if (events != 0)
		*waits_for = events;
	errno = events != 0 ? EAGAIN : ECONNRESET;
	return -1;
}

/* --- bytes --- */

ssize_t tunnel_end_recv(struct tunnel_end *e, char *bytes, size_t n)
{
	if (e->tls == NULL)
		return recv(e->fd, bytes, n, MSG_DONTWAIT);
	e->recv_waits_for = POLLIN;
	ERR_clear_error(); /* SSL_get_error() looks at the queue of the thread */
	return result(e, SSL_read(e->tls, bytes, n > INT_MAX ? INT_MAX : (int)n), &e->recv_waits_for);
}

ssize_t tunnel_end_send(struct tunnel_end *e, const char *bytes, size_t n)
{
	if (e->tls == NULL)
		return send(e->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	e->send_waits_for = POLLOUT;
	ERR_clear_error();
	return result(e, SSL_write(e->tls, bytes, n > INT_MAX ? INT_MAX : (int)n), &e->send_waits_for);
}

void tunnel_end_half_close(struct tunnel_end *e)
{
	ERR_clear_error();
	if (e->tls != NULL)
		SSL_shutdown(e->tls);
	else
		shutdown(e->fd, SHUT_WR);
}

short tunnel_end_events(const struct tunnel_end *e, bool recv, bool send)
{
	return (short)((recv ? e->recv_waits_for : 0) | (send ? e->send_waits_for : 0));
}

bool tunnel_end_has_bytes(const struct tunnel_end *e)
{
	return e->tls != NULL && SSL_pending(e->tls) > 0;
}

int tunnel_end_send_all(struct tunnel_end *e, struct span bytes, int limit_ms)
{
	while (bytes.len > 0) {
		ssize_t n = tunnel_end_send(e, bytes.at, bytes.len);
		if (n > 0) {
			bytes = span_from(bytes, (size_t)n);
			continue;
		}
		struct pollfd p = {.fd = e->fd, .events = e->send_waits_for};
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return -1;
		if (errno == EAGAIN && poll(&p, 1, limit_ms) == 0)
			return -1;
	}
	return 0;
}

ssize_t tunnel_end_wait(struct tunnel_end *e, char *bytes, size_t n, int limit_ms)
{
	ssize_t got;
	while ((got = tunnel_end_recv(e, bytes, n)) < 0 && (errno == EAGAIN || errno == EINTR)) {
		struct pollfd p = {.fd = e->fd, .events = e->recv_waits_for};
		if (poll(&p, 1, limit_ms) == 0) {
			errno = EAGAIN;
			return -1;
		}
	}
	return got;
}
