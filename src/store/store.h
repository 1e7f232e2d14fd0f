/*
 * store: the cache as the rest of the program sees it: rows joined to body files.
 *
 * One struct store a process. It owns the index (SQLite), the body files, and three threads: the *writer*, which owns
 * the one writing SQLite connection and groups commits; the *disk* thread, which writes bodies; the *keeper*, which
 * keeps the quota, empties the trash, checkpoints, syncs and records the sync. Readers use pooled read connections.
 *
 * Trouble with SQLite or the disk never stops anybody (invariant 6): look-ups then say BROKEN or ABSENT, bodies refuse
 * to begin, writes are dropped; each is counted (STATS_STORE_TROUBLE) and said once in a while (log_trouble).
 */
#ifndef CURLEW_STORE_STORE_H
#define CURLEW_STORE_STORE_H

#include "base/buf.h"
#include "body/body.h"
#include "body/disk_job.h"
#include "index/column.h"
#include "index/entry.h"
#include "index/part.h"
#include "index/rows.h"
#include "index/writer_op.h"
#include "store/ruleset.h"

#include <stddef.h>
#include <stdint.h>

struct store;
struct change_counter;

struct store_config {
	const char *dir;         /* cache directory, made if absent */
	int64_t size_bytes;      /* quota of all bodies; 0: none */
	int64_t max_entries;     /* quota of rows; 0: none */
	int64_t min_free_bytes;  /* to be left free on the disk; 0: by the next */
	double min_free_percent; /* of the disk; 0: nothing need be left */
	const char *mode;        /* how the cache is filled, one word a line (DESIGN, schema): e.g. "shared" or
				    "origin http://...". Recorded when new; another value is refused with a clear message.
				    NULL: nothing will be filled */
};

/* Can a cache be there at all: is the directory there or can it be made, and can it be written? 0, or -1 with errno. */
int store_can_be_in(const char *dir);
/* Opens the cache, making or setting aside what must be (a foreign or newer index is refused untouched; a damaged one
 * is set aside with one loud line), starts the threads. NULL with a sentence "what: why (what to do)" in why. */
struct store *store_open(const struct store_config *, struct buf *why);
/* Finishes what is queued, ends the threads, checkpoints, closes. All watches must have been freed. */
void store_close(struct store *);
/* From now on others' locks are waited for five seconds in all. */
void store_hurry(struct store *);

/* --- looking up: any thread --- */

/* All variants of a URL, in one snapshot. rows is the caller's to free. */
enum index_result store_find(struct store *, const char *url, struct index_rows *rows);

/* Opens the body for reading: a descriptor the caller closes, good for as long as it is open whatever happens to the
 * row. -1: the file is missing, of another size or (when suspect) of another SHA-256: the row has been looked up once
 * more and queued for removal by id and body_file (invariant 3); treat as a miss. Never called for body_file NULL. */
int store_open_body(struct store *, const struct entry *);

/* The rules that hold for a request that comes now; as ruleset_take(). */
const struct store_rules *store_rules_take(struct store *);
void store_rules_drop(const struct store_rules *);

/* --- parts of bodies that are not complete (RFC 9111 3.3, 3.4): any thread --- */

/* The stored ranges of the response whose variant text is the first that wanted() says yes to, latest answers first, in
 * one snapshot. parts is the caller's to free. */
enum index_result store_find_parts(struct store *, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *parts);
/* As store_open_body(). */
int store_open_part(struct store *, const struct part *);
/* Calls each() for the parts of every response whose parts may cover the whole body (up to a thousand). each() may take
 * them. */
void store_covered(struct store *, void (*each)(void *ctx, struct index_parts *), void *ctx);
void store_used_part(struct store *, int64_t id, int64_t used_at);
/* What is there of this URL fits nothing the origin has: all its ranges go. */
void store_drop_parts(struct store *, const char *url);

/* --- noticing edits: one watch a loop, used by its thread alone --- */

struct change_counter *change_counter_new(struct store *);
void change_counter_free(struct change_counter *);
/* The edit counter now: it moves when anybody deletes a row, changes a column an answer depends on, adds a second
 * variant to a URL, or touches a rule; not for new rows and usage. Costs a PRAGMA data_version unless something was
 * committed. -1: broken. */
int64_t change_counter_edits(struct change_counter *);
/* The generation of the rules that go with the last change_counter_edits(): where it moved, rules must be asked again.
 */
int64_t change_counter_rules(const struct change_counter *);
/* FOUND: the URL has exactly this one row and every column an answer depends on is as in the given entry. */
enum index_result change_counter_confirm(struct change_counter *, const struct entry *);

/* --- bodies in flight: begin to seal run on the disk thread only; reading while it grows is for all --- */

/* Runs job->run(job) (op.h) on the disk thread, in order of asking. The job is the caller's memory; run may free it or
 * ask again. */
void store_on_disk(struct store *, struct disk_job *);

/* A new body file in spool/ (or, when whole, at once in its place: invariant 1). NULL: trouble, logged. What can be
 * done with it stands in body.h; free every body before store_close(). */
struct body *body_begin(struct store *, bool whole);

/* --- writing: any thread; done in order by the writer thread, in grouped commits --- */

enum store_put_outcome {
	STORE_PUT_DONE,    /* committed; entry->id is set */
	STORE_PUT_PURGED,  /* the row it was to replace is gone: somebody purged the URL meanwhile (invariant 8) */
	STORE_PUT_CHANGED, /* the row it was to replace has been given another lifetime meanwhile (invariant 8) */
	STORE_PUT_STOPPED, /* nothing is stored at the moment (store_stopped) */
	STORE_PUT_TROUBLE  /* not stored; logged */
};

/* One stored response to commit. The struct and what it points to stay the caller's; done() is called once, on the
 * writer thread, after the commit. body: sealed, or NULL for an empty one; sets entry's body_file, body_bytes and
 * sha256 from it. */
struct store_put {
	struct entry *entry;
	struct body *body;
	const struct part_place *place; /* NULL: a whole response; else entry and body are a range of one */
	const struct index_parts *of; /* NULL; or the stored parts that body was made of: if one of them is gone by now:
				PURGED, if a newer response is stored: CHANGED */
	int64_t purge_id; /* the last purge known when it set out (store_rules); one of its URL since: PURGED */
	const struct entry *replaces; /* the row (same url) the flight set out to replace, as it was read, or NULL. If
				it is gone by now: PURGED, and if it has another lifetime: CHANGED. The row with the
				same url and vary is overwritten in place: id, pinned, tag, note, hits stay */
	void (*done)(struct store_put *, enum store_put_outcome);
	struct index_parts covered; /* after the commit of a part: all parts, if together they are the whole body; the
				       caller's to free */
	struct writer_op op;        /* private, like the next two */
	struct store *store;
	int outcome;
};
void store_put(struct store *, struct store_put *);

/* A 304 has freshened the row `was`: writes headers, validators, times and reason of `now`, by id and only if
 * fetched_at, fresh_until, stale_until and body_file are still those of `was` (invariant 8). The struct and what it
 * points to stay the caller's; done() is called once, on the writer thread, after the commit or in its stead. now NULL:
 * the origin has withdrawn `was`, and nothing but its stale use ends (policy_storing_withdraws). */
struct store_refresh {
	const struct entry *was, *now;
	void (*done)(struct store_refresh *);
	struct writer_op op; /* private */
};
void store_refresh(struct store *, struct store_refresh *);
/* All rows of the URL become stale at once and may not be served unvalidated (RFC 9111 4.4): they are deleted. From the
 * return of this call on, look-ups in this process find none of them, also while the writer waits for its turn. */
void store_invalidate(struct store *, const char *url);
/* Usage: hits more answers, the last at used_at. Cheap; batched. */
void store_used(struct store *, int64_t id, int64_t hits, int64_t used_at);
/* So many bytes of a body came from the origin for it. Cheap; batched. */
void store_fetched(struct store *, const char *url, int64_t bytes, int64_t at);
/* The URL was fetched and not stored: one row in refusal (bounded in number). */
void store_refuse(struct store *, const char *url, const char *reason, int status, int64_t at);

/* Notes in the cache how this server is run, "name value" a line, for others to see while it lives; gone with
 * store_close(). */
void store_note_server(struct store *, const char *settings);

/* Waits until everything queued before is committed (verbs, tests). */
void store_flush(struct store *);
/* Why nothing is stored at the moment, in words, or why that cannot be promised; NULL: it is. Cheap. */
const char *store_stopped(const struct store *);
/* Room for so many bytes of a body in flight. NULL: they are reserved, and --size and --min-free count them until
 * store_release(). Else why nothing may be stored, as a literal: stream on without storing. Cheap. Any thread. */
const char *store_reserve(struct store *, int64_t bytes);
void store_release(struct store *, int64_t bytes);
/* Is the disk short of room? Then what may have no end is better not stored. Cheap. */
bool store_short(const struct store *);
/* Has all been swept that dead processes left before store_open()? (gc) */
bool store_swept(const struct store *);

/* --- asking in SQL, for verbs: a read-only connection of its own, no threads, the cache need not be served --- */

/* Runs one SELECT with text parameters ?1.. on the cache in dir, calling row for each row (non-zero stops). 0, or -1
 * with a sentence in why ("no cache in DIR ..." when there is none). */
int store_query(const char *dir, const char *sql, const char *const *params, size_t param_count,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why);

/* --- changing, for verbs: a writing connection of its own, no threads, beside a server or without one --- */

/* Runs one statement that changes rows, with text parameters ?1... 0 with how many rows, or -1 with a sentence in why.
 */
int store_change(
    const char *dir, const char *sql, const char *const *params, size_t param_count, int64_t *changed, struct buf *why);
/* The same for a statement with RETURNING, whose rows go to row(). Not keep: it is run, checks and all, and taken back.
 */
int store_change_rows(const char *dir, const char *sql, const char *const *params, size_t param_count, bool maintenance,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why);
/* Runs the statement for each id (?1), in transactions of a few milliseconds with gaps for others. progress may be
 * NULL. */
int store_change_each(const char *dir, const char *sql, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why);

#endif
