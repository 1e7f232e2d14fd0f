/*
 * pages: curlew's own pages under /.curlew/: metrics, status and proxy.pac; health.h has the other one. No page changes
 * anything.
 */
#ifndef CURLEW_PROXY_PAGES_H
#define CURLEW_PROXY_PAGES_H

#include "proxy/exchange.h"

/* The caller has checked that this client may see them. */
void pages_respond(struct exchange *);

#endif
