/*
 * service: what answering needs besides a client: settings, store, flights, hot answers. One a process, made by `serve`
 * and `get` alike, so that both follow one path. Read-only once open.
 */
#ifndef CURLEW_PROXY_CONTEXT_H
#define CURLEW_PROXY_CONTEXT_H

#include "base/conf.h"
#include "fetch/allow.h"
#include "fetch/flight.h"
#include "http/key.h"
#include "http/policy.h"
#include "proxy/root.h"
#include "store/store.h"

struct ramcache;
struct listeners;
struct threadpool;

enum { CONTEXT_TARGETS = 16 };

struct context {
	const struct conf *conf;
	struct store *store;
	char *spare_dir; /* of a cache that goes with the process; NULL: it is where conf says */
	struct flight_table *flights;
	struct ramcache *ramcache;         /* NULL in `get` */
	struct threadpool *threadpool;     /* NULL in `get` */
	const struct listeners *listeners; /* NULL in `get` */
	struct allow *allow;
	struct key_ways ways;
	struct policy policy;
	const char *targets[CONTEXT_TARGETS]; /* policy.targets */
	char *origin;                         /* normalised, no trailing slash; NULL unless --origin */
	char via[32];     /* our name in Via; unlike any other curlew's, so that a loop is known by it */
	struct root root; /* --root */
	bool offline;
	bool prefix_cookies; /* cookies pass by prefix too */
	bool prefix_sandbox; /* documents by prefix are sandboxed */
};

/* Opens what conf names. 0, or with a sentence in why the exit status that fits: 1 trouble, 2 a value that makes no
 * sense. */
int context_open(struct context *, const struct conf *, struct buf *why);
void context_close(struct context *);

#endif
