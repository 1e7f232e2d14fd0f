/*
 * flight_state: struct flight, its states and its references. Private to the flight files.
 *
 * States. Every change goes through flight_state_enter(), and a state never goes back. Each edge and its function:
 *
 *   WAITING ---on_head---> STREAMING ---on_done---> COMPLETE ---flight_store_end, run_job---> ENDED
 *      |                    |     |                                                            ^
 *      |                    |     +---on_done, when there is nothing to store------------------+
 *      |                    |
 *      |                    +---on_done, when the body broke off---> ABORTED
 *      |                                                                ^
 *      +---on_done, when no head came; fail_start, without memory-------+
 *
 *   WAITING    no final head yet. A shared flight may be joined.
 *   STREAMING  the head and the verdict on storing are fixed; bytes arrive. It may be joined if it is shareable.
 *   COMPLETE   the body is whole; the disk thread or the writer still works on it. It may be joined.
 *   ENDED      its row is committed, or never will be. It has left the table; its readers may still read.
 *   ABORTED    it may not be joined. Readers get the bytes that arrived, then FLIGHT_BROKEN. The bytes may still be
 *              stored as a part.
 *
 * A redirect that is followed and a body that is resumed do not change the state: the flight gets another fetch.
 *
 * Threads. Four kinds of threads touch a flight, and any of them may drop the last reference:
 *   - pool threads start flights and read them (flight.c, flight_reader.c, flight_upload.c);
 *   - the engine's thread delivers the response (flight_receive.c and the files it calls);
 *   - the disk thread writes a large body (run_job in flight_store.c), and frees flights whose file no row owns;
 *   - the writer's thread writes a small body (write_small) and reports the commit (flight_store.c, invalidation.c).
 *
 * Each group of members says who may touch it. The groups:
 *   - FIXED AT START: written by flight_state_new() or before the engine knows the flight; read by every thread
 *     without a lock.
 *   - LOCK: read and written under flight->lock.
 *   - HEAD: written by the engine's thread alone while the state is WAITING. From STREAMING on nobody writes them, so
 *     every thread that has seen STREAMING under the lock may read them without it.
 *   - END: the same with COMPLETE, ENDED and ABORTED in place of STREAMING.
 *   - TABLE: under the lock of the table (flight_table.h).
 *   - ENGINE: the engine's thread alone.
 *
 * Order of locks: the table's lock first, then a flight's. A flight's lock is held across calls that only queue
 * (engine_resume_data, store_on_disk, store_put), never across one that can wait.
 *
 * References: one each for the table, for every reader, for the engine (from the first fetch to the last on_done), for
 * the disk job, for the put, for the refresh, for the withdrawal, and for the pending wake-up. Whoever drops the last
 * one frees the flight.
 */
#ifndef CURLEW_FETCH_FLIGHT_STATE_H
#define CURLEW_FETCH_FLIGHT_STATE_H

#include "fetch/flight.h"
#include "fetch/stream_buffer.h"
#include "http/policy_storing.h"

#include <pthread.h>
#include <time.h>

enum {
	FLIGHT_BUFFER = 1 << 20,  /* bytes of a body in memory before the origin has to wait */
	FLIGHT_UPLOAD = 256 << 10 /* bytes of a request body in memory before the client has to wait */
};

/* Why a second flight is not stored (invariant 5). */
#define FLIGHT_EARLIER_IN_PROGRESS "an earlier fetch of it is still in progress"

enum flight_state { FLIGHT_WAITING, FLIGHT_STREAMING, FLIGHT_COMPLETE, FLIGHT_ENDED, FLIGHT_ABORTED };

/* An interim (1xx) response. Once it is in the list it never changes, and it lives as long as the flight: the leader
 * reads it without the lock. */
struct interim {
	struct interim *next; /* LOCK */
	int status;
	char fields[];
};

/* How a body that breaks off is requested from where it stopped (flight_range.c). The engine's thread alone, but for
 * `reason`. */
struct flight_resume {
	char *validator; /* the strong validator of the body; NULL: none */
	bool validator_is_tag;
	bool waits;   /* the fetch in progress asked for the rest of the body, and its head has not come */
	bool refused; /* the fetch in progress brings bytes that are not of this body */
	unsigned count;
	int64_t at;                 /* `received` at the last one: no second one without progress */
	char reason[POLICY_REASON]; /* why the response with the rest may not be stored; under the lock, written once */
};

/* The request body on its way to the engine (flight_upload.c). Under the flight's lock. */
struct flight_upload {
	struct buf bytes;
	bool wanted;  /* the engine has asked for the body, or needs no more of it: waiting ends */
	bool paused;  /* the engine found the pipe empty and waits for engine_resume_upload() */
	bool ended;   /* the client's side: no more bytes will come */
	bool broken;  /* the client's side: the body broke off, and so does the fetch */
	bool stopped; /* the origin's side: nobody takes more bytes */
};

struct flight {
	/* FIXED AT START */
	struct flight_table *flights;
	const struct fetch_ops *ops; /* what the engine calls for every fetch of this flight (flight_receive.h) */
	char *url;                   /* the key */
	int64_t purge_id;
	enum compression coding;         /* of the compressed copy to make once it is stored */
	const struct store_rules *rules; /* held while decision.by_status needs it; else NULL */
	bool follows;                    /* a rule says that redirects are followed */
	char *method;
	char *fields;        /* as sent in the first request */
	struct head request; /* method and fields, parsed */
	struct entry *was;   /* the row it started from; NULL: there was none */
	bool conditional;
	bool has_body;          /* the request has a body, which the key does not include */
	bool is_second;         /* started while another flight of the URL kept its followers waiting */
	bool shared;            /* others may join it; set under TABLE when it enters the table */
	bool known_unshareable; /* it would be shared, but the last response of its URL was not shareable */
	int64_t started_ms;     /* monotonic */
	uint64_t hash;          /* of url */
	uint64_t resource;      /* of the normal URL: all spellings of one URL are in one bucket */
	/* Where the leader wants to be notified, if it does not wait by blocking (flight_ask.notify). The owner of that
	 * engine alone clears notify, under LOCK. */
	struct flight_engine *notified_on;
	void (*notify)(void *ctx);
	void *notify_ctx;

	pthread_mutex_t lock;
	/* Broadcast when anything changes that a reader or an upload may wait for. Its clock is the monotonic one. */
	pthread_cond_t changed;

	/* LOCK */
	unsigned refs;
	enum flight_state state;
	struct flight_engine *engine; /* makes the fetches: a loop's engine the first one, the table's all others */
	struct fetch *fetch;          /* the fetch in progress; NULL before and after. The engine may be
					 given commands only while it is set: on_done clears it under the lock */
	struct flight_reader *readers;
	unsigned reader_count;
	unsigned overtakes; /* heads that other flights of the URL received while this one had none */
	bool background;    /* goes on without readers */
	bool cancelled;     /* cancelled because nobody reads it and nothing stores it: may not be joined */

	/* ENGINE: where the request goes */
	char *fetch_url;            /* the URL to fetch: url with the query parameters that the key leaves out, or the
				       target of the last redirect */
	char *redirect;             /* the next URL; set by the head, taken when that response has ended */
	unsigned hops;              /* redirects followed so far */
	struct index_rows variants; /* rows of which a 304 may select one */

	/* HEAD */
	struct rule_decision decision; /* decided again for the status of the head. Its tag is ours */
	int status;                    /* 0: no head has come */
	int minor;
	struct buf head;
	int64_t body_bytes; /* of the whole body; -1: not known */
	struct policy_storing verdict;
	struct entry *entry;    /* the row to be stored, or the refreshed one; NULL: neither */
	struct entry *selected; /* the variant that a 304 selected, taken out of variants */
	bool refreshed;         /* a 304, or a HEAD that agrees, was merged into entry */
	bool has_age;           /* the origin sent an Age */
	int64_t head_at;        /* Unix seconds, when the head came */

	/* LOCK, from the head on: storing may end at any byte */
	bool shareable;           /* readers other than the leader may have the response */
	bool earlier_in_progress; /* is_second, and an earlier flight of the URL was still in progress at the head */

	/* Where the body takes more than one response (flight_range.c). */
	struct partial_body *partial; /* stored parts, or NULL. LOCK; set to NULL only by the head, when the response
					 does not complete them */
	struct flight_resume resume;
	int64_t expected_end; /* ENGINE: offset at which the body must end; -1: the response itself says when it is over
			       */

	/* HEAD; where the body broke off, is_part and place change once more before ABORTED */
	bool is_part; /* stored as a range of a larger whole */
	struct part_place place;
	int64_t part_bytes; /* the length that its Content-Range gives */

	/* LOCK: what has arrived */
	struct interim *interims;
	struct stream_buffer buffer;
	int64_t received; /* offset in the body one past the last byte that arrived */
	bool paused;      /* the engine was told to wait, because the buffer is full */

	/* LOCK: storing (flight_store.c). Only the disk thread, or for a small body the writer's, writes
	 * body and on_disk and the place it works on. */
	const char *not_stored_why; /* why it is not stored after all; static text, or the configuration's. NULL: it is
				       stored, or the verdict has the reason */
	bool storing;               /* set before STREAMING; cleared by an error or a limit, and never set again */
	bool invalidated;           /* it may not be stored: its URL changed at the origin, or memory ran out */
	bool committed;             /* a row owns the body file */
	int64_t on_disk;            /* bytes in the body file */
	int64_t reserved;           /* bytes of the cache's quota taken for it (store_reserve) */
	int64_t backlog;            /* its share of flights->disk_backlog; 0: it does not wait */
	struct body *body;
	bool disk_busy; /* the job is queued or running, or the body is small and with the writer: at most one of them
			 */
	bool in_memory; /* the body is small and stays in memory until its row is committed */
	struct disk_job job;
	struct store_put put;
	bool refreshing; /* the row of a 304 is to be written */
	struct store_refresh refresh;
	bool withdrawing; /* the row it started from is no longer to be served stale (invalidation.c) */
	struct store_refresh withdrawal;
	struct flight *next_withdrawal; /* TABLE */

	/* END */
	enum engine_outcome outcome;
	int curl_code;
	char *message;
	char *trailers;

	struct flight_upload *upload; /* the request body; NULL: the request has none. Fixed at start */

	/* TABLE */
	bool in_table;
	int64_t next_start_ms; /* monotonic: from when a follower that has waited long enough may start a second flight
				*/
	struct flight *bucket_next, **bucket_link; /* bucket_link: the pointer that points here */

	/* ENGINE, that of the list it is in; wakeup_pending under LOCK */
	bool wakeup_pending;
	struct flight *next_pending_wakeup;
};

/*
 * One reader. It belongs to the thread that joined: only that thread calls flight_reader.h with it. `pos` and the list
 * links are also read by other threads, so they are changed under the flight's lock.
 */
struct flight_reader {
	struct flight *flight;
	bool leads;
	bool joined_after_head; /* the response is reused for it, not made for it (RFC 9111 4) */
	const struct head *request;
	bool (*gone)(void *);
	void *gone_ctx;
	int64_t late_at_ms;                    /* monotonic: when it has waited long enough; not for the leader */
	unsigned overtakes;                    /* the flight's, when this reader joined */
	int64_t pos;                           /* LOCK: the next byte of the body to read */
	struct stream_buffer_segment *segment; /* held between two reads */
	const struct interim *interim;         /* the last one reported */
	struct flight_reader *next, **link;    /* LOCK */
};

/* Unix seconds. */
static inline int64_t flight_state_now(void)
{
	return (int64_t)time(NULL);
}

/* When the request was made, as Unix seconds. Computed from the monotonic clock, so that `now` minus the result is the
 * number of whole seconds that passed and not the number of times a second turned. */
int64_t flight_state_requested_at(const struct flight *, int64_t now);

/* The row that a 304 or a HEAD is about; NULL: none. */
static inline const struct entry *flight_state_validated_row(const struct flight *f)
{
	return f->selected != NULL ? f->selected : f->was;
}

/* Copies what it needs of the ask, but not ask->partial. The caller sets hash and resource, and owns the flight until
 * it gives out references. NULL: no memory. */
struct flight *flight_state_new(struct flight_table *, const struct flight_ask *, const struct fetch_ops *);
/* Frees a flight that no other thread has seen. */
void flight_state_free(struct flight *);

/* The flight takes part from now on: its state is counted. Once, when it enters the table. */
void flight_state_begin(const struct flight *);
/* The only function that changes the state. Under the lock. Waking the waiting threads is left to the caller. */
void flight_state_enter(struct flight *, enum flight_state);
/* One more reference. Under the lock, or while no other thread knows the flight. */
void flight_state_hold(struct flight *);
/* One reference less; may free. Call it without the flight's lock and without the table's. */
void flight_state_drop(struct flight *);
/* Cancels a fetch that nobody reads and nothing stores: its bytes would only fill the buffer. Under the lock. */
void flight_state_cancel_if_idle(struct flight *);
/* Frees the bytes that no reader needs any more, if the disk thread does not need them either. Under the lock. */
void flight_state_trim(struct flight *);
/* Lets the origin send again once half of the buffer is free. Under the lock. */
void flight_state_unpause(struct flight *);

#endif
