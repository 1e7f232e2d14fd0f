/*
 * store: the cache as the rest of the program sees it: rows joined to body files.
 *
 * A process has one struct store. It owns the index (SQLite), the body files and three threads. The *writer* owns the
 * one writing SQLite connection and groups commits; it also writes small bodies. The *disk* thread writes large ones.
 * The *maintenance* thread keeps the quota, empties the trash, makes checkpoints, syncs, and records the sync. Look-ups
 * use pooled read connections.
 *
 * An error of SQLite or of the disk never stops a response (invariant 6). A look-up then returns BROKEN or ABSENT, a
 * body does not begin, and a write is dropped. Each error is counted (STATS_STORE_TROUBLE) and logged (rate-limited).
 *
 * This header includes those of the files that other folders need: looking up (store_find.h, store_parts.h), storing
 * (store_put.h) and noticing changes (change_counter.h).
 */
#ifndef CURLEW_STORE_STORE_H
#define CURLEW_STORE_STORE_H

#include "base/buf.h"
#include "body/body.h"
#include "body/disk_job.h"
#include "index/purging.h"
#include "store/change_counter.h"
#include "store/ruleset.h"
#include "store/store_find.h"
#include "store/store_limits.h"
#include "store/store_parts.h"
#include "store/store_put.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_config {
	const char *dir; /* the cache directory, made if absent */
	struct store_limits limits;
	/* How the cache is filled, one word a line: "shared", for example, or "origin http://...". It is recorded in a
	 * new cache; a cache with another value is refused with a clear message. NULL: nothing will be stored. */
	const char *mode;
	bool *unreachable; /* set where the disk or the permissions allow no cache; may be NULL */
};

/* Can the directory be a cache: is it there, or can it be made, and can it be written? 0, or -1 with errno. */
int store_can_be_in(const char *dir);
/* Opens the cache and starts the threads. Makes what is missing, refuses a foreign or newer index without changing it,
 * and sets a damaged one aside with one line in the log. NULL with a sentence "what: why (what to do)" in why. */
struct store *store_open(const struct store_config *, struct buf *why);
/* The limits that hold from now on. What is over them is evicted soon. Any thread. */
void store_set_limits(struct store *, const struct store_limits *);
/* Finishes what is queued, ends the threads, makes a checkpoint, closes. All change counters must have been freed. */
void store_close(struct store *);
/* From now on, locks of other processes are waited for for five seconds in total. */
void store_hurry(struct store *);
/* Waits until everything queued before this call is committed (verbs, tests). */
void store_flush(struct store *);

/* The rules for a request that comes now, as ruleset_take(). Any thread. */
const struct store_rules *store_rules_take(struct store *, int64_t generation);
void store_rules_hold(const struct store_rules *);
void store_rules_drop(const struct store_rules *);

/* Runs job->run(job) on the disk thread, in the order of the calls. Any thread. */
void store_on_disk(struct store *, struct disk_job *);
/* A new body, as bodies_begin(). Free every body before store_close(). */
struct body *body_begin(struct store *, bool whole);
/* As bodies_have_name(). Writer thread: store_put.write(). */
bool store_have_name(struct store *);

/* Usage is gathered in memory and written in batches, so these calls are cheap. Any thread. */

/* `hits` more responses from the entry, the last one at used_at (Unix seconds). */
void store_used(struct store *, int64_t id, int64_t hits, int64_t used_at);
/* The origin sent that many bytes of a body for the URL. */
void store_fetched(struct store *, const char *url, int64_t bytes, int64_t at);
/* The URL was fetched and not stored: one row in refusal, whose number is bounded. */
void store_refuse(struct store *, const char *url, const char *reason, int status, int64_t at);

/* Purges as purging_run() does, also on behalf of other processes. The next look-up obeys. 0, or -1 with a sentence in
 * why. It waits for the locks of others for up to five seconds. Any thread that may wait. */
int store_purge(struct store *, const struct purging *, enum purging_how, struct purging_result *, struct buf *why);

/* Records in the cache how this server is configured, one "name value" a line, for verbs to read while it lives. It is
 * removed by store_close(). The thread that opened the store. */
void store_note_server(struct store *, const char *settings);

/* Why nothing is stored at the moment, or why storing may fail, as a literal; NULL: it is stored. Cheap. Any thread. */
const char *store_stopped(const struct store *);
/* Reserves room for bytes of a body in flight: --size and --min-free count them until store_release(). NULL: reserved.
 * Else why nothing may be stored, as a literal: the response streams on without being stored. Cheap. Any thread. */
const char *store_reserve(struct store *, int64_t bytes);
void store_release(struct store *, int64_t bytes);
/* Is the disk short of room? Then a body of unknown length is better not stored. Cheap. Any thread. */
bool store_short(const struct store *);
/* Has everything been swept that dead processes left before store_open()? For `curlew gc`. Any thread. */
bool store_swept(const struct store *);

#endif
