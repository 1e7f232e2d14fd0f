/*
 * ramcache: complete responses in memory, found by the bytes of the request target (and of Host, with named sites). A
 * loop sends them without parsing the request, without SQLite and without a file.
 *
 * An entry is never trusted beyond the index. It remembers the value of the change counter under which it was last
 * confirmed; a loop that sees another value confirms it against its row before use (loop_hit.c,
 * change_counter_confirm()). Only plain fresh hits of URLs with one stored variant are kept: 48 MiB of bodies up
 * to 64 KiB, and 64 MiB of larger ones.
 *
 * A loop finds entries without a lock and without writing to memory that other loops read. It says when it begins and
 * ends to use what it found (ramcache_enter(), ramcache_leave()), once in a wake-up. An entry that is removed is freed
 * only when every loop that could have found it has left. Any thread may call all other functions.
 */
#ifndef CURLEW_PROXY_RAMCACHE_H
#define CURLEW_PROXY_RAMCACHE_H

#include "proxy/exchange.h"

#include <stdatomic.h>

enum { RAMCACHE_BODY = 1 << 20 }; /* larger bodies are sent by pool threads, from the page cache */

struct ramcache_entry {
	/* atomic: any thread that has found it */
	_Atomic int64_t confirmed_edits;        /* the change counter when the entry was last the same as its row */
	atomic_bool referenced;                 /* used since the hand last passed (CLOCK) */
	_Atomic(struct ramcache_entry *) chain; /* in its slot; written under the lock of its shard */

	/* fixed: written before the entry is shared */
	struct entry *entry;
	char *target; /* followed by the site */
	size_t target_bytes, site_bytes;
	bool secure;
	const struct options *options; /* those that held for the request */
	uint64_t hash;
	struct shared_bytes *text; /* the head without Age, Cache-Status and the empty line; then the body */
	size_t head_bytes, body_bytes;
	bool encodes; /* it may have compressed copies: not for requests with Accept-Encoding */

	/* under the lock of its shard */
	bool in_set;
	struct ramcache_entry *next, **link;

	/* under the lock of the removed entries, of which `next` is the list then */
	uint64_t removed_at; /* the era that ended with its removal */
};

struct ramcache;

/* A loop that looks entries up. */
struct ramcache_reader {
	_Atomic uint64_t era; /* in which it entered; RAMCACHE_OUTSIDE: it holds nothing */
	struct ramcache_reader *next;
};

#define RAMCACHE_OUTSIDE UINT64_MAX

/* What a request must have in common with the one whose response is kept. */
struct ramcache_key {
	struct span target;
	struct span site; /* with named sites: the host that decides, as written; else empty */
	bool secure;      /* with named sites: the URL is https */
};

struct ramcache *ramcache_new(void); /* NULL: out of memory */
/* No thread may use it any more. */
void ramcache_free(struct ramcache *);

/* Keeps the response to x in memory, if its body can be read; it replaces an earlier one of the same key. Takes the
 * entry in any case. May block: it reads the body. */
void ramcache_offer(struct ramcache *, const struct exchange *x, struct entry *);

/* Makes a reader known. Before the threads start. It must outlive them. */
void ramcache_add_reader(struct ramcache *, struct ramcache_reader *);

/* The reader's thread: from now on it may find entries, and what it finds is valid until it leaves. */
void ramcache_enter(struct ramcache *, struct ramcache_reader *);
void ramcache_leave(struct ramcache_reader *);

/* Finds the entry for a request. Between enter and leave only. NULL: there is none. */
struct ramcache_entry *ramcache_find(struct ramcache *, const struct ramcache_key *);

/* Removes an entry that no longer agrees with the index. It stays valid as above. */
void ramcache_remove(struct ramcache *, struct ramcache_entry *);

/* Frees removed entries that nobody can hold any more. Every removal does it too; this is for the last ones. */
void ramcache_collect(struct ramcache *);

#endif
