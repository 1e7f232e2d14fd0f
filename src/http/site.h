/*
 * site: one origin of the web (scheme, host, port) as one DNS label, so that a browser can reach it as LABEL.localhost
 * and keeps its cookies, storage and pages apart from those of every other site.
 *
 * http://example.com is "example--com", https://example.com:8443 is "example--com---s8443". In a label
 *
 *   -        is "-"
 *   --       is "."
 *   ---C...  is a run of characters that would be ambiguous, up to the next "-" or the end: h "-", d ".", u "_", xNN
 * any byte, n nothing
 *   ---s     at the end: https, with the port unless it is 443
 *   ---pN    at the end: http on port N
 *   ---v     before s and p: the label is the eight groups of an IPv6 address, in hexadecimal, separated by "-"
 *
 * Each origin has exactly one label, and each label at most one origin. No label begins with "xn--", which browsers
 * read as punycode. An origin whose label would be longer than 63 octets has none (RFC 1035 2.3.4).
 *
 * Pure; any thread may call.
 */
#ifndef CURLEW_HTTP_SITE_H
#define CURLEW_HTTP_SITE_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>

enum { SITE_LABEL = 64 }; /* bytes of a label with its NUL */

/* The label of an origin. host: as in key_target (lower case, IPv6 in brackets). 0, or -1: it has none. */
int site_label(bool secure, const char *host, int port, char label[SITE_LABEL]);

/* Appends "scheme://host" or "scheme://host:port" of a label (letters of either case) to out. 0, or -1: it is no site's
 * label, or out is full. */
int site_origin(struct span label, struct buf *out);

/* A Location (RFC 9110 10.2.2) for a client that requested base on LABEL.localhost: an absolute URL on the label's host
 * of the site that it leads to, or "/host/path" below http://localhost for a site without a label. port: what follows
 * "localhost" in URLs, "" or ":8899". malloc()ed, the caller's; NULL when the value should stay as it is. */
char *site_location(const char *base, struct span location, struct span port);

/* A URL or an origin on LABEL.localhost with that port (as browsers write Referer and Origin) as the one of the real
 * site. malloc()ed, the caller's; NULL: it is none. */
char *site_reveal(struct span url, struct span port);

/* Appends a Set-Cookie value (RFC 6265 4.1) to out without its Domain attribute: LABEL.localhost is not in that domain,
 * and the cookie is kept for the host that set it. False, with nothing appended: a browser would refuse the cookie from
 * that host. */
bool site_cookie(struct span value, struct span host, struct buf *out);

#endif
