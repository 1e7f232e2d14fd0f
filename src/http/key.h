/*
 * key: makes the key of the cache, which is a URL, from a request target.
 *
 * Pure. Any thread may call. The caller frees all results of type char *.
 *
 * A key is an absolute http or https URL: host in lower case (internationalised names in punycode), no default port, no
 * user, no fragment; an empty path is "/" (RFC 9110 4.2.3). Path and query are what the client wrote, byte for byte;
 * only bytes that no URI may contain are percent-encoded. Exactly this is requested from the origin, and each spelling
 * is stored by itself.
 *
 * The normal URL is the one spelling that all equivalent keys share: also without dot segments, with the escapes of
 * unreserved characters decoded and the other escapes in upper case (RFC 3986 6.2.2). Rules, purges and
 * invalidation use it. Normalising twice gives the same as once.
 */
#ifndef CURLEW_HTTP_KEY_H
#define CURLEW_HTTP_KEY_H

#include "base/buf.h"
#include "http/message.h"

/* The form of a request target. RFC 9112 3.2 has four; a prefix and a site are forms of curlew. */
enum key_form {
	KEY_OWN,    /* /.curlew/...: path is what follows "/.curlew", e.g. "/health" (with an origin, see own_pages) */
	KEY_PREFIX, /* /host/path, /https://host/path: url is set */
	KEY_SITE,   /* any path on LABEL.localhost (site.h): url is set, but not by key_of_target() */
	KEY_ABSOLUTE, /* http://host/path: url is set */
	KEY_REVERSE,  /* --origin: url is set */
	KEY_TUNNEL,   /* CONNECT host:port: host and port are set */
	KEY_SERVER    /* OPTIONS *: this server as a whole */
};

/* The settings that decide the form. */
struct key_settings {
	const char *default_scheme; /* "http" or "https" */
	const char *origin;         /* --origin URL without a trailing slash, or NULL */
	bool own_pages;             /* with origin: all of /.curlew/ is ours, not only /health */
};

struct key_target {
	enum key_form form;
	char *url;  /* the key; NULL for KEY_OWN, KEY_TUNNEL and KEY_SERVER */
	char *host; /* host of url, or of the tunnel; IPv6 with brackets */
	int port;   /* of url (explicit, even if it is the default) or of the tunnel */
	/* KEY_OWN: see above, without a query. KEY_PREFIX: the name of a file that --root may hold: the request path,
	 * decoded, without query, leading slash and "." or ".." segments; "" for "/". NULL: it cannot be a file,
	 * because it has a scheme or does not decode. */
	char *path;
	bool secure;   /* https */
	bool asterisk; /* OPTIONS of a server as a whole, whose target is "*" (RFC 9112 3.2.4) */
};

/* Reads a request target. 0, or -1 with fault (400: another scheme, or user:password@; 404: no host in the path). The
 * old content of the key_target is overwritten, and key_fini() is allowed after both. After a fault of a KEY_PREFIX
 * target, path is still set if it could be a file, so that --root may serve "/" or "/a (1).html" before the fault is
 * reported. */
int key_of_target(
    const struct key_settings *, struct span method, struct span target, struct key_target *, struct fault *);
void key_fini(struct key_target *);

/* The key of an absolute URL as a person types it ("example.com/x" gets default_scheme). NULL: it cannot be fetched. */
char *key_of_url(const char *url, const char *default_scheme);
/* The normal URL of a key. *normal is NULL when it is the key itself, as it is for most. 0, or -1: out of memory. */
int key_normal(const char *key, char **normal);
/* The beginning of a key that names its origin: "http://host:port/". Borrowed. */
struct span key_origin(const char *key);
/* The normal URL of a URL as a person types it. NULL: it cannot be fetched. */
char *key_normalise(const char *url, const char *default_scheme);

/* The key that a reference (Location, Content-Location) means, resolved against base: dot segments are removed (RFC
 * 3986 5.2.2), other bytes are as written. NULL: it is not an http(s) URL. */
char *key_resolve(const char *base, struct span reference);
/* True when both URLs have the same scheme, host and port. */
bool key_same_origin(const char *a, const char *b);

#endif
