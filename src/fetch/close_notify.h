/*
 * close_notify: whether TLS ended in order. A body that lasts until the connection ends is whole only if a close_notify
 * came (RFC 9112 9.8); without it, anybody on the way may have cut the body. libcurl 7.88 takes both for an end, so
 * OpenSSL is asked. Another TLS library reports it by itself. The engine's thread only.
 */
#ifndef CURLEW_FETCH_CLOSE_NOTIFY_H
#define CURLEW_FETCH_CLOSE_NOTIFY_H

#include <curl/curl.h>
#include <stdbool.h>

struct close_notify;

/* Once a process. */
void close_notify_setup(void);
/* Watches the transfer's connection from now on. NULL: no TLS, not OpenSSL, or no memory; then nothing is missing. */
struct close_notify *close_notify_await(CURL *);
bool close_notify_is_missing(const struct close_notify *);
void close_notify_free(struct close_notify *);

#endif
