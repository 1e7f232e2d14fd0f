/*
 * browser: what keeps the pages of one site apart from other sites and from curlew itself, for browsers that ask by
 * /host/path.
 *
 * To a browser, everything on http://localhost:8899 is one origin. So each site gets a host of its own, LABEL.localhost
 * (http/site.h), which browsers take for this machine: a navigation to /host/path is redirected there, and on such a
 * host every path belongs to the site. A fetched document that cannot be moved is sandboxed (an opaque origin), and no
 * cookies pass between it and its site. A request that another site's page made is refused, unless it is a plain GET or
 * HEAD.
 *
 * Nothing here applies to a reverse proxy (--origin) or to the absolute form. Belongs to the thread that answers.
 */
#ifndef CURLEW_PROXY_BROWSER_H
#define CURLEW_PROXY_BROWSER_H

#include "proxy/exchange.h"

/* True when the request came through another proxy, by the fields that proxies add: it speaks for somebody on another
 * machine. */
bool browser_came_through_proxy(const struct head *);

/* Understands the request's target. On LABEL.localhost it belongs to that site (KEY_SITE); else as key_of_target(). 0,
 * or -1 with fault. */
int browser_read_target(struct exchange *, struct fault *);

/* True when a page of another site made this request and must not. Answers it then (403). */
bool browser_refuses(struct exchange *);

/* Makes the request one to the real site: Cookie is left out where cookies do not pass, Origin and Referer name the
 * real site. What is written is kept in the exchange until browser_end(). */
void browser_rewrite(struct exchange *, struct head *);
void browser_end(struct exchange *);

/* What the reply to this client adds and leaves out. fields: those of the whole response. */
void browser_guard(const struct exchange *, struct span fields, struct response_head *);

/* True when the same stored response is told differently to different clients: some get its cookies, and some do not.
 */
bool browser_judges_each(const struct exchange *, struct span fields);

/* The Location of such a response on LABEL.localhost; malloc()ed, NULL to leave it. */
char *browser_location(const struct exchange *, struct span location);

#endif
