/*
 * The order of eviction (docs/EVICTION.md) is S3-FIFO (Yang and others, SOSP 2023), extended by sizes. Three columns of
 * entry and the table ghost hold it, so it outlives the process and can be read in SQL (v_evict_next).
 *
 *	new     New rows stand here, in order of id. When they take more than a tenth of all bytes, the first row
 *	        leaves: to main if it had enough visits for its size; else it is evicted and leaves a ghost.
 *	main    In order of place. A row that was visited since its last turn gets another turn, with one visit
 *	        less; else it is evicted.
 *	ghost   A response that comes back while its ghost exists begins in main.
 *
 * A hit writes nothing here: visits are counted with the usage, in batches. Parts of bodies are evicted by their time
 * of use, when they take more than a tenth of all bytes or when nothing else is left.
 */
#include "index/evict.h"

#include "base/hash.h"
#include "index/row.h"

#include <assert.h>
#include <string.h>

#define NEW_SHARE 10 /* a tenth of the bytes may be new */
#define PART_SHARE 10
#define TURNS 64 /* at most so many rows are examined to evict one */

struct limits {
	int64_t bytes, entries, new_bytes, part_bytes, ghosts;
};

struct candidate {
	int64_t id, body_bytes, visits;
	int64_t ghost;
	bool pinned;  /* by a rule */
	bool invalid; /* the row is invalid and can only be deleted */
};

static int read_limits(struct index *ix, struct limits *l)
{
	sqlite3_stmt *st = ix->statements[LIMITS];
	enum index_result found = index_step(ix, LIMITS, "reading the counters");
	if (found == INDEX_FOUND)
		*l = (struct limits){
		    index_size(st, 0), index_size(st, 1), index_size(st, 2), index_size(st, 3), index_size(st, 4)};
	index_reset(ix, LIMITS);
	return found == INDEX_FOUND ? 0 : -1;
}

/* Two responses may have the same number and so share a ghost. The only cost is that one begins in main too early. */
static int64_t ghost_of(const char *url, const char *vary)
{
	return (int64_t)hash_text(hash_text(hash_text(HASH_BEGIN, url), "\n"), vary);
}

static int next_place(struct index *ix, int64_t *place)
{
	sqlite3_stmt *st = ix->statements[NEXT_PLACE];
	enum index_result found = index_step(ix, NEXT_PLACE, "taking a place in the queue");
	if (found == INDEX_FOUND)
		*place = sqlite3_column_int64(st, 0);
	index_reset(ix, NEXT_PLACE);
	return found == INDEX_FOUND ? 0 : -1;
}

int index_queue(struct index *ix, const struct entry *e, const char **queue, int64_t *place)
{
	*queue = "new";
	*place = 0;
	if (!ix->ghosts)
		return 0;
	sqlite3_bind_int64(ix->statements[GHOST_TAKE], 1, ghost_of(e->url, e->vary));
	if (index_run(ix, GHOST_TAKE, "looking for a ghost") < 0)
		return -1;
	if (sqlite3_changes(ix->db) == 0)
		return 0;
	*queue = "main";
	return next_place(ix, place);
}

static bool is_pinned_by_rule(struct index *ix, sqlite3_stmt *row)
{
	sqlite3_stmt *st = ix->statements[CANDIDATE_PINNED];
	sqlite3_bind_text(st, 1, (const char *)sqlite3_column_text(row, 5), -1, SQLITE_TRANSIENT);
	sqlite3_bind_int(st, 2, sqlite3_column_int(row, 6));
	bool pinned = index_step(ix, CANDIDATE_PINNED, "checking whether a rule pins it") == INDEX_FOUND &&
		      sqlite3_column_int(st, 0) != 0;
	index_reset(ix, CANDIDATE_PINNED);
	return pinned;
}

static enum index_result next_candidate(struct index *ix, const char *queue, struct candidate *c)
{
	sqlite3_stmt *st = ix->statements[CANDIDATE];
	index_bind_text(st, 1, queue);
	enum index_result found = index_step(ix, CANDIDATE, "looking for a row to evict");
	if (found == INDEX_FOUND) {
		const char *url = (const char *)sqlite3_column_text(st, 1),
			   *vary = (const char *)sqlite3_column_text(st, 2);
		*c = (struct candidate){.id = sqlite3_column_int64(st, 0),
		    .body_bytes = index_size(st, 3),
		    .visits = index_size(st, 4),
		    .invalid = sqlite3_column_type(st, 3) != SQLITE_INTEGER ||
			       sqlite3_column_type(st, 4) != SQLITE_INTEGER ||
			       sqlite3_column_int64(st, 3) != index_size(st, 3),
		    .ghost = url != NULL && vary != NULL ? ghost_of(url, vary) : 0,
		    .pinned = is_pinned_by_rule(ix, st)};
	}
	index_reset(ix, CANDIDATE);
	return found;
}

/* A large body needs more visits than a small one, because it takes the room of many. As in v_evict_next. */
static int visits_wanted(const struct limits *l, const struct candidate *c, bool is_new)
{
	int64_t average = (l->bytes - l->part_bytes) / (l->entries > 0 ? l->entries : 1);
	if (!is_new || c->body_bytes * 2 <= average)
		return 1;
	return c->body_bytes <= 4 * average ? 2 : 3;
}

static int requeue(struct index *ix, const struct candidate *c, bool is_new)
{
	int64_t place;
	if (next_place(ix, &place) < 0)
		return -1;
	sqlite3_bind_int64(ix->statements[REQUEUE], 1, c->id);
	sqlite3_bind_int64(ix->statements[REQUEUE], 2, place);
	sqlite3_bind_int64(ix->statements[REQUEUE], 3, is_new || c->visits == 0 ? 0 : c->visits - 1);
	return index_run(ix, REQUEUE, "giving another turn");
}

static int evict(struct index *ix, const struct limits *l, const struct candidate *c, bool is_new)
{
	sqlite3_bind_int64(ix->statements[EVICT], 1, c->id);
	if (index_run(ix, EVICT, "evicting") < 0)
		return -1;
	if (!is_new)
		return 0;
	ix->ghosts = true;
	sqlite3_bind_int64(ix->statements[GHOST_ADD], 1, c->ghost);
	if (index_run(ix, GHOST_ADD, "adding a ghost") < 0)
		return -1;
	return l->ghosts < l->entries ? 0 : index_run(ix, GHOST_TRIM, "removing old ghosts");
}

/* Evicts one row. 1: evicted; 0: no row may be evicted; -1: an error. */
static int evict_one(struct index *ix, struct limits *l)
{
	struct candidate c;
	int64_t share = l->bytes / NEW_SHARE;
	bool other = false; /* after a row that a rule pins, try the other queue: this one may hold nothing else */
	for (int turn = 0; turn < TURNS; turn++) {
		bool is_new = (l->new_bytes > share) != other;
		enum index_result found = next_candidate(ix, is_new ? "new" : "main", &c);
		if (found == INDEX_ABSENT) {
			is_new = !is_new;
			found = next_candidate(ix, is_new ? "new" : "main", &c);
		}
		if (found != INDEX_FOUND)
			return found == INDEX_ABSENT ? 0 : -1;
		if (c.invalid)
			return evict(ix, l, &c, false) < 0 ? -1 : 1;
		if (!c.pinned && c.visits < visits_wanted(l, &c, is_new))
			return evict(ix, l, &c, is_new) < 0 ? -1 : 1;
		if (requeue(ix, &c, is_new) < 0)
			return -1;
		if (is_new)
			l->new_bytes -= c.body_bytes;
		other = c.pinned && !other;
	}
	/* All rows were visited or pinned. The last one is evicted for all of them, unless a rule pins it. */
	return c.pinned ? 0 : evict(ix, l, &c, false) < 0 ? -1 : 1;
}

int index_evict(struct index *ix, int64_t size_bytes, int64_t max_entries, int max_rows, bool *over)
{
	assert(ix->who != NULL);
	struct limits l;
	for (int n = 0;; n++) {
		if (read_limits(ix, &l) < 0)
			return -1;
		bool too_large = size_bytes > 0 && l.bytes > size_bytes,
		     too_many = max_entries > 0 && l.entries > max_entries;
		*over = too_large || too_many;
		if (!*over || n == max_rows)
			return n;
		int evicted = 0;
		if (!too_large || l.part_bytes <= l.bytes / PART_SHARE)
			evicted = evict_one(ix, &l);
		if (evicted == 0 && l.part_bytes > 0 && too_large)
			evicted = index_run(ix, PART_EVICT, "evicting a part") < 0 ? -1 : sqlite3_changes(ix->db) > 0;
		if (evicted <= 0)
			return evicted < 0 ? -1 : n; /* only pinned rows are left */
	}
}
