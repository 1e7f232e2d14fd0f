/*
 * flight_table: struct flight_table, the flights of a process, found by URL. Private to the flight files.
 *
 * Locks. flight_table->lock guards the buckets, the memory of unshareable URLs, the list of withdrawals and `alive`.
 * It is taken before a flight's lock, never after it: none of the functions here may be called with a flight's lock
 * held. Nothing that can wait is called under it.
 *
 * A flight is in the table from flight_join() until its row is committed or will never be. The table holds a reference
 * as long.
 */
#ifndef CURLEW_FETCH_FLIGHT_TABLE_H
#define CURLEW_FETCH_FLIGHT_TABLE_H

#include "fetch/combiner.h"
#include "fetch/compressor.h"
#include "fetch/flight.h"
#include "fetch/flight_engine.h"

#include <pthread.h>
#include <stdatomic.h>

enum { FLIGHT_BUCKETS = 1024, FLIGHT_UNSHAREABLE_SLOTS = 4096 };

struct flight_bucket {
	struct flight *first; /* the one that started last */
	uint64_t generation;  /* flights that have left the bucket */
};

struct flight_table {
	/* Fixed after flight_open(); every thread reads them without a lock. */
	struct flight_config config;
	struct engine_thread *engine_thread; /* makes the turns of own.engine */
	struct address_cache *addresses;
	struct combiner *combiner;
	struct compressor *compressor; /* NULL: no copies are made */

	pthread_mutex_t lock;
	/* Under the lock. */
	struct flight_bucket buckets[FLIGHT_BUCKETS];
	struct {
		uint64_t hash;
		int64_t until; /* Unix seconds */
	} unshareable[FLIGHT_UNSHAREABLE_SLOTS];
	struct flight *withdrawals; /* flights whose withdrawal is not committed */
	size_t alive;               /* flights whose memory is in use */
	pthread_cond_t none_alive;

	/* Any thread, without a lock. */
	_Atomic int64_t max_body, collapse_wait_ms; /* of flight_limits */
	const char *_Atomic too_large;
	struct engine_limits engine_limits;
	atomic_uint withdrawal_count; /* length of the list above: most look-ups find 0 and need no lock */
	atomic_llong disk_backlog;    /* bytes of complete flights that wait in memory to be stored */

	struct flight_engine own; /* fixed, but for own.pending, which is for the engine's thread only */
};

uint64_t flight_table_hash(const char *url);
/* The hash of the normal URL. Without memory it is that of url: then a flight of another spelling is not found. */
uint64_t flight_table_resource(const char *url);

/* The bucket of a resource. Under the table's lock. */
struct flight_bucket *flight_table_bucket(struct flight_table *, uint64_t resource);
/* Puts a flight that no other thread knows in its bucket, and takes a reference. Under the table's lock. */
void flight_table_add(struct flight_table *, struct flight *);
/* Takes the flight out, so that nobody joins it any more, and drops the table's reference. Does nothing when it is not
 * in the table. */
void flight_table_remove(struct flight *);

/* The first flight of exactly this URL for which wanted() is true. wanted() is called with the flight's lock held. The
 * flight is returned with its lock held and without a reference; NULL: there is none. Takes the table's lock itself. */
struct flight *flight_table_find_locked(
    struct flight_table *, const char *url, bool (*wanted)(const struct flight *, bool alone), bool alone);
/* All flights of all spellings of this URL, except `but` (NULL: none), may not be stored or joined any more. */
void flight_table_invalidate(struct flight_table *, const char *url, const struct flight *but);
/* The same for all flights of this origin (key_origin()) that are in one of the groups. A flight that has no head yet
 * counts as a member. */
void flight_table_invalidate_groups(
    struct flight_table *, struct span origin, const char *groups, const struct flight *but);

/* Remembers for a minute that the response of a URL was not shareable, or forgets it. */
void flight_table_note_shareable(struct flight_table *, uint64_t hash, bool shareable);
/* Under the table's lock. */
bool flight_table_is_unshareable(const struct flight_table *, uint64_t hash);

/* For a follower that has waited long enough: 0 when it may start a second flight of the URL now, else the time
 * (monotonic, in ms) at which to ask again. At most one follower of all flights of the URL gets a 0 for each
 * --collapse-wait. */
int64_t flight_table_take_turn(struct flight *);
/* The head of the flight has come: followers of other flights of its URL that have no head stop waiting. */
void flight_table_overtake(struct flight *);
/* True for a second flight while an earlier flight of its URL is in progress. */
bool flight_table_has_earlier(struct flight *);

/* The list of flights whose withdrawal is not committed (invalidation.c). */
void flight_table_add_withdrawal(struct flight *);
void flight_table_remove_withdrawal(struct flight *);
/* The id of the row of this URL that is being withdrawn; 0: none. */
int64_t flight_table_withdrawn_row(struct flight_table *, const char *url);

#endif
