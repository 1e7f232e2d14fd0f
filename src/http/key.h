/*
 * key: from what a client asked for to what the cache calls it: the key, which is a URL.
 *
 * Pure. Any thread may call. All results of type char * are malloc()ed and the caller's.
 *
 * A key is an absolute http or https URL: host in lower case (internationalised names in punycode), no default port, no
 * user, no fragment; an empty path is "/" (RFC 9110 4.2.3). Path and query are what the client wrote, byte for byte,
 * but for bytes that no URI may contain, which are percent-encoded. The origin is asked for exactly that, and each
 * spelling is stored by itself.
 *
 * The normal URL is the one spelling that all equivalent keys share: also without dot segments, with the escapes of
 * unreserved characters decoded and the other escapes in upper case (RFC 3986 6.2.2). Rules, purges and invalidation go
 * by it. Normalising twice is the same as once.
 */
#ifndef CURLEW_HTTP_KEY_H
#define CURLEW_HTTP_KEY_H

#include "base/buf.h"
#include "http/message.h"

/* How a request came in (DESIGN: request targets). */
enum key_way {
	KEY_OWN,    /* /.curlew/...: path is what follows "/.curlew", e.g. "/health" (with an origin, that one alone) */
	KEY_PREFIX, /* /host/path, /https://host/path: url is set */
	KEY_SITE,   /* any path on LABEL.localhost (site.h): url is set. Not told by key_of_target() */
	KEY_ABSOLUTE, /* http://host/path: url is set */
	KEY_REVERSE,  /* --origin: url is set */
	KEY_TUNNEL,   /* CONNECT host:port: host and port are set */
	KEY_SERVER    /* OPTIONS *: this server as a whole */
};

/* The settings that decide the way. */
struct key_ways {
	const char *default_scheme; /* "http" or "https" */
	const char *origin;         /* --origin URL without a trailing slash, or NULL */
};

struct key_target {
	enum key_way way;
	char *url;   /* the key; NULL for KEY_OWN, KEY_TUNNEL and KEY_SERVER */
	char *host;  /* host of url, or of the tunnel; IPv6 with brackets */
	int port;    /* of url (its default made explicit) or of the tunnel */
	char *path;  /* KEY_OWN: see above, without a query. KEY_PREFIX: the request path, decoded, no query, no leading
			slash, no
			"." or ".." segment: what --root may hold ("" for "/"); NULL when it cannot be a file (a scheme
			was said,  or it does not decode) */
	bool secure; /* https */
	bool asterisk; /* OPTIONS of a server as a whole, whose target is "*" (RFC 9112 3.2.4) */
};

/* Understands a request's target. 0, or -1 with fault (400: not a URL we fetch, other schemes, user:password@ in it;
 * 404: no host in the path). target is always made anew and key_fini() always allowed. After a fault of a KEY_PREFIX
 * target, path is still set where it could be a file, so that --root may answer "/" or "/a (1).html" before the fault
 * is told. */
int key_of_target(const struct key_ways *, struct span method, struct span target, struct key_target *, struct fault *);
void key_fini(struct key_target *);

/* The key of an absolute URL as a person types it ("example.com/x" gets default_scheme). NULL: not one we fetch. */
char *key_of_url(const char *url, const char *default_scheme);
/* The normal URL of a key. *normal is NULL where it is the key itself, as of most. 0, or -1: no memory. */
int key_normal(const char *key, char **normal);
/* The normal URL of what a person types. NULL: not one we fetch. */
char *key_normalise(const char *url, const char *default_scheme);

/* Resolves a reference (Location, Content-Location) against base: a key, its dot segments removed (RFC 3986 5.2.2), its
 * other bytes as written. NULL when it is no http(s) URL. */
char *key_resolve(const char *base, struct span reference);
/* True when both URLs have the same scheme, host and port. */
bool key_same_origin(const char *a, const char *b);

/* A Location value for a client that came by KEY_PREFIX: "/host/path" or "/https://host/path", so that following it
 * stays with us; "/https:..." is written whenever the scheme is not default_scheme. NULL when it should stay as it is.
 */
char *key_prefix_location(const char *default_scheme, const char *base, struct span location);

/* For --origin: a Location that points into the path of the origin becomes a path of ours ("/x"). Never a
 * path that begins with "//", which would name another host. NULL when it should stay as it is: it points elsewhere. */
char *key_reverse_location(const char *origin, const char *base, struct span location);

#endif
