/*
 * hot: ready answers in memory, found by the bytes of the request target, so that a lane can answer without parsing, SQLite or a file.
 *
 * Nothing here is trusted beyond the index: each object remembers the edit counter it was last proved under, and a lane that
 * sees a newer one confirms it against its row before use (store_watch_confirm). Only plain fresh hits of URLs with one variant get in.
 * Any thread; objects are held by reference.
 */
#ifndef CURLEW_PROXY_RAMCACHE_H
#define CURLEW_PROXY_RAMCACHE_H

#include "proxy/exchange.h"

#include <stdatomic.h>

enum { HOT_BODY = 64 << 10 }; /* larger bodies are left to workers and the page cache */

struct hot_object {
	atomic_uint refs;
	_Atomic int64_t proved_edits;
	_Atomic int64_t hits;	 /* not yet told to the store */
	_Atomic int64_t used_at;
	atomic_bool listed;	 /* some lane will tell of its hits */
	atomic_bool referenced;	 /* used since the hand last passed (CLOCK) */
	/* fixed */
	struct entry *entry;
	char *target;
	size_t target_bytes;
	uint64_t hash;
	char *text; /* head without Age, Cache-Status and the empty line; then the body */
	size_t head_bytes, body_bytes;
	/* the set's */
	bool in_set;
	struct hot_object *chain;
	struct hot_object *next, **link;
};

struct hot;

struct hot *hot_new(void); /* NULL: memory */
void hot_free(struct hot *);
/* Keeps x's answer ready, if its body can be had. Takes the entry. */
void hot_offer(struct hot *, const struct exchange *x, struct entry *);
/* The object for a target, held for the caller; NULL: none. */
struct hot_object *hot_find(struct hot *, struct span target);
void hot_drop(struct hot_object *);
/* It is no longer what the index says. */
void hot_remove(struct hot *, struct hot_object *);

#endif
