/*
 * store_put: stores, freshens and invalidates responses. Any thread may call. The writer thread does the work in order,
 * in grouped commits.
 */
#ifndef CURLEW_STORE_STORE_PUT_H
#define CURLEW_STORE_STORE_PUT_H

#include "base/span.h"
#include "body/body.h"
#include "index/entry.h"
#include "index/part.h"
#include "index/writer_op.h"

#include <stdint.h>

struct store;

enum store_put_outcome {
	STORE_PUT_DONE,   /* committed; entry->id is set */
	STORE_PUT_PURGED, /* the row to be replaced was deleted, or the URL was purged during the fetch (invariant 8) */
	STORE_PUT_CHANGED,   /* the row to be replaced was given another lifetime during the fetch (invariant 8) */
	STORE_PUT_STOPPED,   /* nothing is stored at the moment (store_stopped) */
	STORE_PUT_UNWRITTEN, /* write() failed or gave it up */
	STORE_PUT_TROUBLE    /* an error; logged */
};

/* What write() did. */
enum store_written {
	STORE_WRITTEN,
	STORE_WRITE_LATER, /* store_have_name() was false */
	STORE_WRITE_FAILED /* logged or recorded: nothing more is done */
};

/* One response to store. The caller keeps the struct, and what it points to, until done() has been called: once, on the
 * writer thread, after the commit. */
struct store_put {
	struct entry *entry; /* body_file, body_bytes and sha256 are set from body */
	struct body *body;   /* sealed; NULL for an empty body */
	/* NULL: body is sealed already. Else it is called on the writer thread, without a transaction: it writes, seals
	 * and closes a small body that is whole in memory, and sets body. */
	enum store_written (*write)(struct store_put *);
	/* NULL: a whole response; else entry and body are a range of one */
	const struct part_place *place;
	/* NULL, or the stored parts that body was made of. PURGED: one of them was deleted since. CHANGED: a newer
	 * response is stored. */
	const struct index_parts *of;
	int64_t purge_id; /* the last purge when the fetch began (store_rules); a later purge of the URL: PURGED */
	/* NULL, or the row (of the same URL) that the fetch was to replace, as it was read. The row with the same url
	 * and vary is overwritten in place: id, pinned, tag, note and hits stay. */
	const struct entry *replaces;
	/* NULL, or the response of which entry is a compressed copy. PURGED: it is gone, or has another body. */
	const struct entry *encodes;
	void (*done)(struct store_put *, enum store_put_outcome);
	/* After the commit of a part: all parts, if together they are the whole body. The caller frees them. */
	struct index_parts covered;

	/* the store's own */
	struct writer_op op;
	struct store *store;
	int outcome;
	bool written;
};
void store_put(struct store *, struct store_put *);

/* A 304 has freshened the row `was`. Writes headers, validators, times and reason of `now`, by id, and only if
 * fetched_at, fresh_until, stale_until and body_file are still those of `was` (invariant 8). now NULL: the origin has
 * withdrawn the response, and only its stale use ends (policy_storing_withdraws). The caller keeps the struct, and what
 * it points to, until done() has been called: once, on the writer thread, after the commit or after an error. */
struct store_refresh {
	const struct entry *was, *now;
	void (*done)(struct store_refresh *);
	struct writer_op op; /* the store's own */
};
void store_refresh(struct store *, struct store_refresh *);

/* Invalidates all rows of the URL (RFC 9111 4.4): they are deleted. After this call no look-up in this process finds
 * them, also while the writer waits for its turn. */
void store_invalidate(struct store *, const char *url);
/* The same for the responses of this origin (key_origin()) that are in one of the groups (http/groups.h). */
void store_invalidate_groups(struct store *, struct span origin, const char *groups);

#endif
