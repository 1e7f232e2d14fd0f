/*
 * named_sites: the sites of --origin NAME=URL[,URL...]: which servers have the site of a host, and which of these
 * servers failed lately.
 *
 * A site is chosen by its host alone; every port and both schemes are the same site. An exact name comes before
 * "*.example", a longer "*.example" before a shorter one, and "*" is for the rest.
 *
 * A backend that cannot be reached is left out for NAMED_SITES_PAUSE_MS, unless all others are left out too. Any thread
 * may call; all engines of a process share the sites. What is returned stays valid until named_sites_free().
 */
#ifndef CURLEW_FETCH_NAMED_SITES_H
#define CURLEW_FETCH_NAMED_SITES_H

#include "base/buf.h"
#include "base/span.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { NAMED_SITES_PAUSE_MS = 10000, NAMED_SITES_BACKENDS = 16 };

struct named_sites;

struct backend {
	char *url; /* normalised, without a slash at the end; it may have a path, but no query */
	_Atomic int64_t left_out_until_ms;
};

struct named_site {
	char *name;               /* in lower case, without a dot at the end: "shop.example", "*.example" or "*" */
	struct backend *backends; /* in the order in which they are asked */
	unsigned backend_count;   /* 1 to NAMED_SITES_BACKENDS */
	struct named_site *next;
};

/* True when a value of --origin has a name: NAME=URL. */
bool named_sites_is_named(const char *text);

struct named_sites *named_sites_new(void); /* NULL: out of memory */
void named_sites_free(struct named_sites *);
/* Adds one value of --origin, before other threads use the sites. 0, or -1 with a sentence in why. */
int named_sites_add(struct named_sites *, const char *text, struct buf *why);
/* Puts the sites of `fresh` in place of the present ones, which stay valid for fetches in progress. Takes fresh. */
void named_sites_replace(struct named_sites *, struct named_sites *fresh);

/* The site of a host (without a port, in lower case). NULL: there is none. */
const struct named_site *named_sites_find(const struct named_sites *, struct span host);
/* The site of a URL that is a key. sites may be NULL, for none. */
const struct named_site *named_sites_of_url(const struct named_sites *, const char *url);
/* Calls each() for every site, in their order. */
void named_sites_each(const struct named_sites *, void (*each)(void *ctx, const struct named_site *), void *ctx);

/* The backend to ask next: the first one that is neither in the set of bits `tried` nor left out; else the first that
 * is not in `tried`. -1: all have been tried. now_ms is monotonic. */
int named_site_choose(const struct named_site *, unsigned tried, int64_t now_ms);
/* That backend could not be reached, or did not respond. why: for the log. */
void named_site_failed(const struct named_site *, int backend, int64_t now_ms, const char *why);
/* The URL of a backend for a key of the site: the backend's scheme, host and base path, and the key's path and query.
 * The caller frees it. NULL: out of memory. */
char *named_site_url(const struct backend *, const char *key);
/* As key_resolve(), for a field of a response to the key: a reference that names a backend means the URL of the site.
 * sites may be NULL. */
char *named_sites_resolve(const struct named_sites *, const char *key, struct span reference);

#endif
