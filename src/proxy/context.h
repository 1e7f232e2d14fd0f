/*
 * context: what all handlers share: the settings, the store, the flights, the cache in memory. `serve` and `get` each
 * make one, so that a request takes the same path in both.
 *
 * The main thread opens it before other threads start and closes it after they have ended. In between the struct is
 * only read; the objects it points to have locks of their own.
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

#include <stdatomic.h>

struct options;
struct ramcache;
struct listeners;
struct named_sites;
struct threadpool;

enum { CONTEXT_TARGETS = 16 };

struct context {
	const struct conf *conf;
	struct store *store;
	char *spare_dir; /* a temporary cache directory, removed at the end; NULL: the cache is where conf says */
	struct flight_table *flights;
	struct ramcache *ramcache;         /* NULL in `get` */
	struct threadpool *threadpool;     /* NULL in `get` */
	const struct listeners *listeners; /* NULL in `get` */
	struct allow *allow;
	struct client_limits *limits;    /* what each client uses; NULL in `get` */
	struct options *_Atomic options; /* those that hold now (options.h) */
	struct policy policy;
	const char *targets[CONTEXT_TARGETS]; /* policy.targets */
	char *origin;                         /* normalised, no trailing slash; NULL unless --origin */
	struct named_sites *sites;            /* of --origin NAME=URL; NULL: none */
	struct parent *parent;                /* of --parent; NULL: none */
	bool compress;                        /* --compress: stored text has compressed copies */
	char via[32];     /* our name in Via; random, so that a request that comes back to us can be recognised */
	struct root root; /* --root */
	bool offline;
	bool sends_forwarded; /* X-Forwarded-* and Forwarded are sent to origins */
	bool keeps_tags;      /* clients get Surrogate-Key, Cache-Tag and xkey */
};

/* 0, or -1 after an error in a value was reported. Opens nothing. Finds what the parser of options cannot, because it
 * knows no HTTP and no addresses. */
int context_check(const struct conf *);

/* Opens everything that conf names; conf must outlive the context. 0, or an exit status with a sentence in why: 1: an
 * error; 2: an option has an invalid value. After a failure the context is empty. */
int context_open(struct context *, const struct conf *, struct buf *why);
/* For new options, while the server runs: the limits of the store and of fetches. They hold at once; a smaller --size
 * is reached by eviction. */
void context_set_limits(const struct context *, const struct conf *);
/* The same for --allow-to. 0, or -1 with a sentence in why; then nothing has changed. */
int context_replace_allow(const struct context *, const struct conf *, struct buf *why);
/* Waits for the writer and closes everything. All readers of flights must have been left. */
void context_close(struct context *);

#endif
