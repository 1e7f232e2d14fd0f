/*
 * url: an absolute http or https URL, read strictly. Scheme, host and port are normalised (RFC 9110 4.2.3); path and
 * query stay as written, except that bytes that no URI may contain are percent-encoded (RFC 3986 2). url_normal() gives
 * the one spelling that all equivalent URLs share.
 *
 * Pure: no I/O, no locale. Any thread may call. Most callers outside of this folder need key.h instead.
 */
#ifndef CURLEW_HTTP_URL_H
#define CURLEW_HTTP_URL_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

struct url {
	bool secure;
	/* Lower case; internationalised names in punycode; addresses in their one spelling, IPv6 in brackets. */
	char *host;
	int port;         /* the default made explicit */
	char *path;       /* from "/" on, as written */
	struct buf query; /* with its "?", as written; empty when there is none */
};

void url_init(struct url *);
void url_fini(struct url *);

/* Reads an absolute URL into an initialised url; its fragment is left out. lenient: spaces in path and query, which
 * people and careless servers write, are percent-encoded rather than refused. 0, or -1: another scheme, a user, a byte
 * that may not be, no host. */
int url_parse(struct span text, bool lenient, struct url *);

/* The whole URL; the caller frees it. NULL: too long. */
char *url_compose(const struct url *);
/* The same scheme, host and port. */
bool url_same_origin(const struct url *, const struct url *);
/* The path of an origin (--origin) without slashes at its end; a client's "/" stands for it. Borrowed. */
struct span url_base_path(const struct url *);
/* Its parts: host[:port], scheme://host[:port], path?query. */
void url_add_authority(struct buf *, const struct url *);
void url_add_origin(struct buf *, const struct url *);
void url_add_path(struct buf *, const struct url *);

/* A composed URL with its path and query in normal form (RFC 3986 6.2.2): escapes of unreserved bytes decoded, the
 * other escapes in capitals, dot segments removed. *normal is malloc()ed, or NULL when the URL is in that form already.
 * 0, or -1: no memory. Normalising twice is the same as once. */
int url_normal(const char *url, char **normal);

/* Removes dot segments from a path that begins with "/", in place (RFC 3986 5.2.4). */
void url_remove_dots(char *path);
/* Does a path, however it is escaped, lead out of the directory it begins in for any server? Empty segments do not
 * count as directories, because some origins drop them; escaped slashes and backslashes separate segments, and a
 * segment ends at ";", because some origins read them so. */
bool url_climbs(const char *path);

/* Adds path, query or fragment text as written, percent-encoding bytes that no URI may contain. 0, or -1 for a control
 * byte (and a space, unless lenient). */
int url_add_written(struct span text, bool lenient, struct buf *);
/* Adds text with its escapes in normal form. 0, or -1 when it did not fit. */
int url_add_normal(struct span text, struct buf *);
/* The one spelling of a host (IPv6 with brackets); the caller frees it. NULL: not a host, or out of memory. */
char *url_host(struct span host);
/* Removes "http://" or "https://" from the front, without case. */
bool url_take_scheme(struct span *, bool *secure);
/* The number of bytes before the first of the given ones, or before the end. */
size_t url_until(struct span, const char *stops);
/* The byte an escape ("%2F") at the front of the text stands for; -1 when there is none. */
int url_escape(struct span);

#endif
