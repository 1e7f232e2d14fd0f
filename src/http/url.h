/*
 * url: an absolute http or https URL, read strictly and held in normal form (RFC 3986 6.2.2, RFC
 * 9110 4.2.3).
 *
 * Pure but for libcurl's URL API, which has no network in it. This is what `key` is made of; other
 * rooms ask `key`.
 */
#ifndef CURLEW_HTTP_URL_H
#define CURLEW_HTTP_URL_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

struct url {
	bool secure;
	char *host;       /* lower case; IPv6 in brackets */
	int port;         /* the default made explicit */
	char *path;       /* from "/" on */
	struct buf query; /* with its "?"; empty when there is none */
};

void url_init(struct url *);
void url_fini(struct url *);

/* Reads an absolute URL into an initialised url; its fragment is left out. lenient: spaces in path
 * and query, which people and careless servers write, are escaped rather than refused. 0, or -1:
 * another scheme, a user, a byte that may not be, no host. */
int url_parse(struct span text, bool lenient, struct url *);

/* The whole in normal form, malloc()ed; NULL: too long. */
char *url_compose(const struct url *);
/* Its pieces: host[:port], scheme://host[:port], path?query. */
void url_add_authority(struct buf *, const struct url *);
void url_add_origin(struct buf *, const struct url *);
void url_add_path(struct buf *, const struct url *);

/* Adds path, query or fragment text in normal form. 0, or -1 for a byte that may not be. */
int url_add_normal(struct span text, bool lenient, struct buf *);
/* Takes "http://" or "https://" off the front, without case. */
bool url_take_scheme(struct span *, bool *secure);
/* How many bytes stand before the first of the given ones, or the end. */
size_t url_until(struct span, const char *stops);

#endif
