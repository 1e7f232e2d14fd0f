/*
 * hot: ready answers in memory, found by the bytes of the request target, so that a loop can answer without parsing,
 * SQLite or a file.
 *
 * Nothing here is trusted beyond the index: each object remembers the edit counter it was last proved under, and a loop
 * that sees a newer one confirms it against its row before use (change_counter_confirm). Only plain fresh hits of URLs
 * with one variant get in. Any thread; objects are held by reference.
 */
#ifndef CURLEW_PROXY_RAMCACHE_H
#define CURLEW_PROXY_RAMCACHE_H

#include "proxy/exchange.h"

#include <stdatomic.h>

enum { RAMCACHE_BODY = 64 << 10 }; /* larger bodies are left to threadpool and the page cache */

struct ramcache_entry {
	atomic_uint refs;
	_Atomic int64_t confirmed_edits;
	_Atomic int64_t hits; /* not yet told to the store */
	_Atomic int64_t used_at;
	atomic_bool listed;     /* some loop will tell of its hits */
	atomic_bool referenced; /* used since the hand last passed (CLOCK) */
	/* fixed */
	struct entry *entry;
	char *target;
	size_t target_bytes;
	uint64_t hash;
	char *text; /* head without Age, Cache-Status and the empty line; then the body */
	size_t head_bytes, body_bytes;
	/* the set's */
	bool in_set;
	struct ramcache_entry *chain;
	struct ramcache_entry *next, **link;
};

struct ramcache;

struct ramcache *ramcache_new(void); /* NULL: memory */
void ramcache_free(struct ramcache *);
/* Keeps x's answer ready, if its body can be had. Takes the entry. */
void ramcache_offer(struct ramcache *, const struct exchange *x, struct entry *);
/* The object for a target, held for the caller; NULL: none. */
struct ramcache_entry *ramcache_find(struct ramcache *, struct span target);
void ramcache_drop(struct ramcache_entry *);
/* It is no longer what the index says. */
void ramcache_remove(struct ramcache *, struct ramcache_entry *);

#endif
