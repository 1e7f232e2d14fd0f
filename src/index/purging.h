/*
 * purging: purges by URL, host and tag, for `curlew purge` and for PURGE over HTTP. It works on connections of its own,
 * in short transactions with gaps (edit.h), also while a server uses the cache. Any thread may call.
 *
 * Each function returns 0, or -1 with a sentence in why. It waits for the locks of others for up to five seconds.
 */
#ifndef CURLEW_INDEX_PURGING_H
#define CURLEW_INDEX_PURGING_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to purge: the responses to which all members apply. */
struct purging {
	const char *glob; /* of normal URLs; NULL: any URL */
	const char *path; /* a GLOB of path and query, which may be on any site; then glob only has to cover the same */
	const char *host; /* as in entry.host; NULL: any */
	const char *tags; /* a JSON array of tags or groups, of which the response has one (purging_add_tag()); NULL:
			   * any
			   */
};

enum purging_how {
	PURGING_DELETE,
	PURGING_VALIDATE, /* fresh_until is 0: never used without asking the origin */
	PURGING_STALE     /* fresh_until is now: stale, but used where a stale response may be */
};

struct purging_result {
	int64_t rows, bytes; /* of entry and part */
};

/* Writes a JSON array of tags: the first call begins it, and purging_end_tags() ends it. */
void purging_add_tag(struct buf *tags, struct span tag);
void purging_end_tags(struct buf *tags);

/* Adds rows to the table purge, so that no response is stored that was requested before this call and to which the
 * purge applies (invariant 8). Called before rows are selected: a response stored earlier is selected then, and one
 * stored later is refused, so none is missed. */
int purging_announce(const char *dir, const struct purging *, struct buf *why);
/* Removes parts, also in a soft purge, and adds them to the result. (They may have no row in entry. A part is served
 * only while it is fresh.) dry: only adds them. */
int purging_parts(const char *dir, const struct purging *, bool dry, struct purging_result *, struct buf *why);
/* Purges these rows of entry. A fresh_until that is written here overrides the rules. *changed: how many rows there
 * were. progress may be NULL. */
int purging_rows(const char *dir, const int64_t *ids, size_t count, enum purging_how,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why);

/* All of the above for what p selects. Pinned rows are purged too. */
int purging_run(const char *dir, const struct purging *, enum purging_how, struct purging_result *, struct buf *why);

/* The condition that a row of entry has the tag ?N itself or by a rule, or is in the group ?N; N is the argument of the
 * format. It needs v_ruled as `ruled`. */
#define PURGING_HAS_TAG                                                                                                \
	"(ruled.tag = ?%zu OR entry.id IN (SELECT entry_id FROM entry_tag WHERE entry_tag.tag IN (?%zu, '')))"

#endif
