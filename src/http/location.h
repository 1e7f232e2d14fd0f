/*
 * location: URLs in fields that name a server behind curlew: Location for the client, Destination for the origin.
 *
 * Pure. Any thread may call. The caller frees all results of type char *.
 */
#ifndef CURLEW_HTTP_LOCATION_H
#define CURLEW_HTTP_LOCATION_H

#include "base/span.h"
#include "http/message.h"

/* A Location value for a client that used KEY_PREFIX: "/host/path", or with the scheme ("/https://host/path") if that
 * is not default_scheme. So a client that follows it stays with curlew. NULL: leave the value as it is. */
char *location_for_prefix(const char *default_scheme, const char *base, struct span location);

/* With --origin: a Location inside the path of the origin becomes a path of curlew ("/x"), which never begins with
 * "//", because that would name another host. NULL: it points elsewhere; leave the value as it is. */
char *location_for_reverse(const char *origin, const char *base, struct span location);
/* With named sites: a Location that names a backend becomes a path of the site. key: the URL that was requested;
 * backend: the URL of one backend. The backend receives the host of the site, so it may also name that host with its
 * own port (as nginx does) or with its own base path. NULL: leave the value as it is. */
char *location_for_site(const char *backend, const char *key, struct span location);

/* Destination of COPY and MOVE (RFC 4918 10.3), mapped the other way. */
struct location_destination {
	char *value; /* for the origin: its scheme and base path, and the host that it receives in Host */
	char *key;   /* of the resource that will change */
};
/* ours: the URL that the client requested, of which only the host matters; as_origin: a URL with the host that the
 * origin receives in Host; origin: its URL, with its base path; key_base: what the path of the client is appended to,
 * to make a key. 0, with two strings for the caller to free; or -1 with fault: 502: it names another server (RFC
 * 4918 9.9.4); 400: it leads out of the base path. */
int location_destination(const char *ours, const char *as_origin, const char *origin, const char *key_base,
    struct span value, struct location_destination *, struct fault *);

#endif
