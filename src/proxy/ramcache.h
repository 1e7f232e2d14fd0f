/*
 * ramcache: complete responses in memory, found by the bytes of the request target. A loop sends them without parsing
 * the request, without SQLite and without a file.
 *
 * An entry is never trusted beyond the index. It remembers the value of the change counter under which it was last
 * confirmed; a loop that sees another value confirms it against its row before use (loop_hit.c,
 * change_counter_confirm()). Only plain fresh hits of URLs with one stored variant are kept, 48 MiB in all.
 *
 * Any thread may call any function. Entries have reference counts: one held for the caller stays valid until
 * ramcache_drop(), even if it is removed from the cache meanwhile.
 */
#ifndef CURLEW_PROXY_RAMCACHE_H
#define CURLEW_PROXY_RAMCACHE_H

#include "proxy/exchange.h"

#include <stdatomic.h>

enum { RAMCACHE_BODY = 64 << 10 }; /* larger bodies are sent by pool threads, from the page cache */

struct ramcache_entry {
	/* atomic: any thread that holds a reference */
	atomic_uint refs;
	_Atomic int64_t confirmed_edits; /* the change counter when the entry was last the same as its row */
	_Atomic int64_t hits;            /* not yet reported to the store */
	_Atomic int64_t used_at;
	atomic_bool listed;     /* some loop will report its hits (loop_hit.c) */
	atomic_bool referenced; /* used since the hand last passed (CLOCK) */

	/* fixed: written before the entry is shared */
	struct entry *entry;
	char *target;
	size_t target_bytes;
	uint64_t hash;
	char *text; /* the head without Age, Cache-Status and the empty line; then the body */
	size_t head_bytes, body_bytes;

	/* under the lock of its shard */
	bool in_set; /* the cache has it, and holds a reference */
	struct ramcache_entry *chain;
	struct ramcache_entry *next, **link;
};

struct ramcache;

struct ramcache *ramcache_new(void); /* NULL: out of memory */
/* No thread may use it any more. */
void ramcache_free(struct ramcache *);

/* Keeps the response to x in memory, if its body can be read; it replaces an earlier one for the same target. Takes the
 * entry in any case. May block: it reads the body. */
void ramcache_offer(struct ramcache *, const struct exchange *x, struct entry *);

/* Finds the entry for a target and takes a reference for the caller. NULL: there is none. */
struct ramcache_entry *ramcache_find(struct ramcache *, struct span target);

/* Gives the caller's reference back; the last one frees the entry. NULL is fine. */
void ramcache_drop(struct ramcache_entry *);

/* Removes an entry that no longer agrees with the index. The caller keeps its reference. */
void ramcache_remove(struct ramcache *, struct ramcache_entry *);

#endif
