/*
 * synthetic: responses that curlew makes itself: errors, and short pages.
 *
 * Each function sends a whole response to x->sink and returns what the sink returns: 0, or -1 when the client is gone.
 * It may set x->close: a request body that was not read makes the connection useless afterwards.
 */
#ifndef CURLEW_PROXY_SYNTHETIC_H
#define CURLEW_PROXY_SYNTHETIC_H

#include "proxy/exchange.h"

/* A line of text; it is counted as an error. cache: the items of our Cache-Status member, or NULL. */
int synthetic_text(struct exchange *, int status, const char *cache, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A page of a given Content-Type. */
int synthetic_page(struct exchange *, int status, const char *type, struct span page);

/* OPTIONS *: the methods this server accepts (RFC 9110 9.3.7). */
int synthetic_options(struct exchange *);

/* 504: a rule keeps this URL off the network, and nothing is stored for it. */
int synthetic_offline(struct exchange *);

/* 403: a rule denies this URL. */
int synthetic_denied(struct exchange *);

/* A failed fetch, as the client sees it: 502, 503, 504 or 403, with the cause. */
int synthetic_failure(struct exchange *, const struct flight_response *, const char *cache);

#endif
