/*
 * close_notify: whether a TLS connection ended in order. A body that lasts until the connection ends is whole only if a
 * close_notify alert came (RFC 9112 9.8). Without one, anybody on the path may have cut the body. libcurl 7.88 accepts
 * both ends, so OpenSSL is asked. Other TLS libraries report the difference to libcurl. The engine's thread only.
 */
#ifndef CURLEW_FETCH_CLOSE_NOTIFY_H
#define CURLEW_FETCH_CLOSE_NOTIFY_H

#include <curl/curl.h>
#include <stdbool.h>

struct close_notify;

/* Once per process, before any TLS connection. */
void close_notify_setup(void);
/* Watches the connection of the transfer from now on. Free the result with close_notify_free(). NULL: no TLS, not
 * OpenSSL, or no memory; then none is reported as missing. */
struct close_notify *close_notify_await(CURL *);
bool close_notify_is_missing(const struct close_notify *);
void close_notify_free(struct close_notify *);

#endif
