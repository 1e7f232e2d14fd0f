/*
 * index: index.db, the rows of the cache. Knows SQL and nothing of body files; index*.c are the only files that know
 * SQLite.
 *
 * A struct index is one connection with all its statements prepared, used by one thread at a time. There is one writer;
 * readers and the keeper never write rows. A function that cannot ask or tell SQLite says so in its result after
 * counting the trouble and logging it once in a while; no caller logs it again. Where SQLite calls the file damaged, a
 * mark is left in the directory, and the next index_setup() sets the index aside.
 *
 * Only SQLite opens index.db, -wal and -shm (invariant 9).
 */
#ifndef CURLEW_INDEX_INDEX_H
#define CURLEW_INDEX_INDEX_H

#include "base/buf.h"
#include "http/rule.h"
#include "index/entry.h"
#include "index/found.h"
#include "index/part.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index;

enum { INDEX_HOST = 256 }; /* bytes of a host's name, its NUL included */
/* The host of a normalised URL, as entry.host. */
void index_host_of(const char *url, char *host, size_t size);

enum index_role {
	INDEX_READER,
	INDEX_WRITER,
	INDEX_MAINTENANCE, /* reads, and checkpoints */
	INDEX_GUEST        /* reads for a verb: also where it may not write, and no index_setup() has looked */
};

/* Looks at $dir/index.db, makes it where there is none, refuses what is not ours (untouched), sets a damaged one aside.
 * For one process at a time (file_lock_setup_begin). alone: nobody else uses the cache. mode: as in store_config. 0, or
 * -1 with why. */
int index_setup(const char *dir, const char *mode, bool alone, struct buf *why);

/* A connection to the index that index_setup() found good. NULL with why (not counted, not logged). */
struct index *index_open(const char *dir, enum index_role, struct buf *why);
void index_close(struct index *);

/* --- reading --- */

enum index_result index_find(struct index *, const char *url, struct index_rows *rows);
/* Is there a row with this id and this body_file? */
enum index_result index_still(struct index *, int64_t id, const char *body_file);
/* As store_find_parts(). */
enum index_result index_find_parts(struct index *, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *);
/* All rules, sorted. NULL: broken, logged. */
struct rules *index_rules(struct index *);
/* Moves with every change of a rule and every purge; *purge_id: the last purge there was. -1: broken. */
int64_t index_generation(struct index *, int64_t *purge_id);
/* As change_counter_confirm(). */
enum index_result index_confirm(struct index *, const struct entry *);
/* Moves with every commit of any other connection of any process. -1: broken. */
int64_t index_version(struct index *);

struct index_totals {
	int64_t edits, entries, bytes;
	bool parts, ghosts; /* are there any */
};
int index_totals(struct index *, struct index_totals *);
/* The edit counter. -1: broken. */
int64_t index_edits(struct index *);

/* Why index.db cannot be opened: errno in words. */
void index_say_absence(const char *dir, struct buf *why);

/* Who owns a body file. */
struct index_owner {
	int64_t entry_id; /* 0: a part owns it */
	int64_t body_bytes;
	bool has_sha256;
	unsigned char sha256[32];
};
enum index_result index_owner(struct index *, const char *body_file, struct index_owner *);

/* A row as `curlew verify` looks at it. */
struct index_body {
	int64_t id, body_bytes;
	char *url, *file; /* file: NULL where the body is empty. Of an invalid row both may be NULL */
	bool invalid;     /* reported already; nothing else of it says anything */
	bool has_sha256;
	unsigned char sha256[32];
};
/* Up to max rows of entry, or of part, with ids above after, in order of id: their number, or -1. Each is to be freed.
 */
int index_bodies(struct index *, bool parts, int64_t after, struct index_body *, int max);
void index_body_free(struct index_body *);

struct index_trash {
	int64_t id;
	char file[64]; /* "" when it is longer than any name of ours */
	bool owned;    /* a row owns it after all */
};
/* Up to max of the trash with ids above after, in order of id: their number, or -1. */
int index_trash(struct index *, int64_t after, struct index_trash *, int max);

struct index_lease {
	int64_t id, owner, first, synced, behind;
	char boot[40];
};
/* Up to max leases with ids above after: their number, or -1. */
int index_leases(struct index *, int64_t after, struct index_lease *, int max);

/* The number behind all names ever leased from this index. -1: broken. */
int64_t index_names(struct index *);
/* A setting as a number; 0 where there is none. -1: broken. */
int64_t index_setting(struct index *, const char *name);

/* Pages of the file and how many of them are free. */
int index_pages(struct index *, int64_t *pages, int64_t *free_pages);

/* --- the writer's transaction --- */

enum index_begun {
	INDEX_BEGUN,
	INDEX_LOCKED, /* another process is writing: after 50 ms of patience */
	INDEX_FAILED
};
/* who: a literal, for messages. */
enum index_begun index_begin(struct index *, const char *who);
int index_commit(struct index *);
void index_abort(struct index *);
/* False when an error has rolled the transaction back. */
bool index_in_transaction(const struct index *);
/* The edit counter as it was when the transaction began. */
int64_t index_begun_edits(const struct index *);

/* All of these only within a transaction. 0 or -1 unless said otherwise. */

enum index_stored {
	INDEX_STORED,  /* e->id is set */
	INDEX_PURGED,  /* the row to be replaced is gone, or the URL was purged since (index_purged) */
	INDEX_CHANGED, /* somebody has given the row to be replaced another lifetime */
	INDEX_UNSTORED
};
/* STORED: the row is still there, and as it was read (fetched_at, fresh_until). */
enum index_stored index_replaceable(struct index *, const struct entry *was);
/* A new row, or over that of the same URL and variant. */
enum index_stored index_put(struct index *, struct entry *e);
/* Was the URL purged after that purge, or may it have been, because purges since then are forgotten? Where SQLite
 * fails, no. */
bool index_purged(struct index *, const char *url, int64_t purge_id);
/* What a host gave and cost within an hour is added up. */
struct index_traffic {
	int64_t hits, misses, hit_bytes, miss_bytes;
};
int index_traffic(struct index *, int64_t hour, const char *host, const struct index_traffic *);
int index_traffic_trim(struct index *, int64_t before);
/* Host and size of an entry, for its hits. ABSENT: it is gone. */
enum index_result index_hit_of(struct index *, int64_t id, char *host, size_t size, int64_t *body_bytes);
/* The origin has withdrawn the row `was`: it may not be served stale any more (POLICY_WITHDRAWN). Only if its times are
 * still those of `was` (invariant 8). 0, or -1. */
int index_withdraw(struct index *, const struct entry *was);
int index_refresh(struct index *, const struct entry *was, const struct entry *now);
/* Deletes the rows of all spellings of a URL, given in its normal form; and with them their parts, or those alone. */
int index_invalidate(struct index *, const char *url);
int index_invalidate_parts(struct index *, const char *url);
int index_drop(struct index *, int64_t id, const char *body_file);
/* Keeps one more range of e's body; those of another response go, and so do ranges within it. PURGED: it is there
 * already. */
enum index_stored index_put_part(struct index *, struct entry *e, const struct part_place *);
/* The parts of the same response as e, where they cover the whole body; else none. parts is the caller's to free. */
void index_find_covered(struct index *, const struct entry *e, struct index_parts *parts);
/* May an entry made of these parts be put? PURGED: one of them is gone. CHANGED: a response that is as new is stored.
 */
enum index_stored index_joinable(struct index *, const struct entry *, const struct index_parts *);
int index_drop_part(struct index *, const char *body_file);
/* All ranges of a URL, or of one variant of it (vary not NULL). */
int index_drop_parts(struct index *, const char *url, const char *vary);
int index_used(struct index *, int64_t id, int64_t hits, int64_t used_at);
int index_refuse(struct index *, const char *url, const char *reason, int status, int64_t at, int64_t times);
int index_refusals_trim(struct index *, int64_t keep);

/* Deletes up to max_rows rows, in the order of eviction, while all bodies together exceed size_bytes or the rows
 * max_entries (0: no such limit). Their number, or -1; *over: they still do. */
int index_evict(struct index *, int64_t size_bytes, int64_t max_entries, int max_rows, bool *over);
int index_trash_add(struct index *, const char *file);
int index_trash_remove(struct index *, int64_t id, const char *file);
/* Gives the next count names to owner, from the number least on. */
int index_lease_take(
    struct index *, int64_t owner, const char *boot, int64_t count, int64_t least, struct index_lease *);
int index_lease_synced(struct index *, int64_t id, int64_t synced);
/* Nothing is left to decide about the names of this lease: those from first up to behind are owned by rows or have no
 * file. */
int index_lease_close(struct index *, int64_t id, int64_t behind);
int index_lease_remove(struct index *, int64_t id);
int index_setting_set(struct index *, const char *name, const char *value);
int index_setting_remove(struct index *, const char *names); /* a GLOB */
/* Gives up to pages free pages back to the file system. */
int index_vacuum(struct index *, int pages);

/* --- the keeper's --- */

/* Copies the WAL into the file as far as readers allow, without waiting for anybody. log: frames in the WAL; done: how
 * many of them are in the file now. */
int index_checkpoint(struct index *, int *log, int *done);
/* Frames in the WAL when this writing connection last committed; any thread may ask. */
int index_wal_frames(const struct index *);

/* --- for verbs: as store_query() --- */

int index_change(
    const char *dir, const char *sql, const char *const *params, size_t param_count, int64_t *changed, struct buf *why);
int index_change_rows(const char *dir, const char *sql, const char *const *params, size_t param_count, bool keep,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why);
int index_change_each(const char *dir, const char *sql, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why);
/* Copies the index of one directory to an empty one, also while it is written to. boot: this one, whose bodies are
 * whole (a sync follows). 0, or -1 with why. */
int index_backup(const char *from_dir, const char *to_dir, const char *boot, struct buf *why);
int index_query(const char *dir, const char *sql, const char *const *params, size_t param_count,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why);

#endif
