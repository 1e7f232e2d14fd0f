/*
 * site_target: which named site (--origin NAME=URL) a request is for, and the key of its URL.
 *
 * Host decides, or what a trusted front says in X-Forwarded-Host; in absolute form, the target. The key is the public
 * URL: https if the client used TLS, or if a trusted front says so. The functions for an exchange belong to the thread
 * that serves it.
 */
#ifndef CURLEW_PROXY_SITE_TARGET_H
#define CURLEW_PROXY_SITE_TARGET_H

#include "proxy/exchange.h"

/* Reads the target of the request: fills x->target and x->site. 0, or -1 with fault. */
int site_target_read(struct exchange *, struct fault *);
/* Frees what site_target_read() and site_target_of_url() keep. */
void site_target_end(struct exchange *);

/* The same for `get`, which has the URL. */
int site_target_of_url(struct exchange *, const char *url, struct fault *);

/* What decides the site of a request that is not in absolute form: the bytes of the host as they are written, and the
 * scheme. Borrowed from the head. */
void site_target_host(const struct head *, const struct client *, struct span *host, bool *secure);

#endif
