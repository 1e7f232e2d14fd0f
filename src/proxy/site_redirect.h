/*
 * site_redirect: sends a browser that navigates to /HOST/PATH to the host that this site has for itself,
 * LABEL.localhost (http/site.h). browser.h explains why each site needs an origin of its own.
 */
#ifndef CURLEW_PROXY_SITE_REDIRECT_H
#define CURLEW_PROXY_SITE_REDIRECT_H

#include "proxy/exchange.h"

/* True: this is such a navigation, and the redirect (307) was sent. */
bool site_redirect_respond(struct exchange *);

#endif
