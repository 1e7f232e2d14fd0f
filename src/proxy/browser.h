/*
 * browser: protects the pages of one site from other sites, and curlew's own pages from all of them, when a browser
 * requests /HOST/PATH (by prefix).
 *
 * To a browser, everything on http://localhost:8899 is one origin. So each site gets a host of its own, LABEL.localhost
 * (http/site.h), which browsers resolve to this machine. A navigation to /HOST/PATH is redirected there
 * (site_redirect.h), and on such a host every path belongs to the site. A document that cannot be redirected is
 * sandboxed (it gets an opaque origin), and no cookies pass between it and its site. A request made by a page of
 * another site is refused, unless it is a plain GET or HEAD.
 *
 * Nothing here applies to a reverse proxy (--origin) or to requests in absolute form. All functions belong to the
 * thread that serves the request.
 */
#ifndef CURLEW_PROXY_BROWSER_H
#define CURLEW_PROXY_BROWSER_H

#include "proxy/exchange.h"

/* Reads the request target into x->target. On LABEL.localhost it belongs to that site (KEY_SITE); everywhere else
 * key_of_target() decides. 0, or -1 with fault. */
int browser_read_target(struct exchange *, struct fault *);

/* True: a page of another site made this request, which it must not, and 403 was sent. */
bool browser_refuses(struct exchange *);

/* Turns the request into one to the real site: removes Cookie where cookies do not pass, and makes Origin and Referer
 * name the real site. The new values belong to the exchange until browser_end(). */
void browser_rewrite(struct exchange *, struct head *);
void browser_end(struct exchange *);

/* Sets what the response to this client must add and leave out. fields: those of the complete response. */
void browser_guard(const struct exchange *, struct span fields, struct response_head *);

/* True when different clients get different forms of this stored response, with its cookies or without them. It must
 * not be kept in memory then. */
bool browser_judges_each(const struct exchange *, struct span fields);

/* The value of Location for a client of LABEL.localhost; the caller frees it. NULL: leave the field as it is. */
char *browser_location(const struct exchange *, struct span location);

#endif
