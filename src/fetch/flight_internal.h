/*
 * flight_internal: struct flight, for the files of this room: flight_table.c (the table), flight.c (readers),
 * flight_receive.c (what the engine brings), flight_store.c (the way to the store), flight_range.c (bodies in pieces),
 * upload.c (the request body).
 *
 * The life of a flight, each edge with its function; flight_enter() is the one door:
 *
 *   ASKING --on_head--> STREAMING --on_done--> LANDED --flight_store_over--> OVER
 *      \                  |  ^   \
 *       \        on_done,  |  |    +--on_done--+
 *        \    flight_range_try   +--+                |
 *         +--on_done---------------------------+--> DEAD
 *
 *   ASKING     no final head yet; may be joined if shared
 *   STREAMING  head and policy verdict are fixed; bytes arrive
 *   LANDED     the body is whole; the disk thread and the writer are still at work; may be joined
 *   OVER       its row is committed or will never be; out of the table; readers may still read
 *   DEAD       not to be joined; readers get what had arrived, then BROKEN; it may yet be stored as a part
 *
 * Locks: flight->lock guards what stands under it; flights->lock (the table) is taken before it, never after. No lock
 * is held across a call that can wait. References: one each for the table, every reader, the engine, the disk job, the
 * put, the notice.
 */
#ifndef CURLEW_FETCH_FLIGHT_INTERNAL_H
#define CURLEW_FETCH_FLIGHT_INTERNAL_H

#include "fetch/flight.h"
#include "fetch/join.h"
#include "fetch/stream_buffer.h"
#include "http/policy_storing.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	FLIGHT_BUFFER = 1 << 20,   /* bytes of a body in memory before the origin has to wait */
	FLIGHT_SMALL = 64 << 10,   /* smaller bodies are written in one go, when whole */
	FLIGHT_KEEP = 256 << 10,   /* bytes kept in memory for readers although the disk has them */
	FLIGHT_ENDLESS = 16 << 20, /* bytes from which a body of unknown length is suspected of having no end */
	FLIGHT_ROOM = 1 << 20,     /* bytes of room taken at a time for a body of unknown length */
	FLIGHT_UPLOAD = 256 << 10, /* bytes of a request body on their way */
	FLIGHT_INTERIMS = 32,      /* interim answers passed on; more are dropped */
	FLIGHT_SETTLE_MS = 100, /* that somebody waits for a row on its way rather than ask the origin for what has just
				   come */
	FLIGHT_BUCKETS = 1024,
	FLIGHT_BEHIND = 128 << 20, /* bytes of landed flights that wait for the disk; more are not stored */
	FLIGHT_ITSELF = 8 << 10,   /* what one takes besides its body */
	FLIGHT_PASSES = 4096,
	FLIGHT_PASS_S = 60 /* how long a URL found unshareable is not collapsed */
};

/* Why a response that may be stored is not: see `apart`. */
#define FLIGHT_BESIDE "an earlier fetch of it is still in progress"

enum flight_state { FLIGHT_ASKING, FLIGHT_STREAMING, FLIGHT_LANDED, FLIGHT_OVER, FLIGHT_DEAD };

struct interim {
	struct interim *next;
	int status;
	char fields[];
};

struct flight {
	struct flight_table *flights;
	char *url;
	char *fetch_url; /* what the origin is asked for: url, with the query parameters the key leaves out; or where
			    redirects led */
	int64_t purge_id;
	struct rule_decision decision; /* its tag is ours */
	bool follows;                  /* redirects, by a rule */
	char *redirect;                /* where to go next; set by the head, taken at the end of that answer */
	unsigned hops;
	char *method;
	char *fields;        /* as sent */
	struct head request; /* of method and fields */
	struct entry *was;
	struct index_rows variants; /* the engine's thread only */
	struct entry *chosen;       /* of the variants, by a 304: taken out of them; fixed once STREAMING */
	bool conditional, shared, background;
	bool has_body;     /* the request has a body, of which the key knows nothing */
	bool passes;       /* it would be shared, were it not known that the last response of its URL could not be */
	bool apart;        /* started while another flight of the URL kept its followers waiting */
	int64_t asked_ms;  /* monotonic */
	uint64_t hash;     /* of url */
	uint64_t resource; /* of its normal URL: all spellings of one hang in one bucket */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned refs;
	enum flight_state state;
	struct fetch *fetch; /* NULL before and after */
	struct flight_reader *readers;
	unsigned reader_count;
	unsigned overtakes; /* heads that other flights of the URL got while this one had none */

	/* the engine's thread until STREAMING, then fixed and everybody's */
	int status, minor;
	struct buf head;
	int64_t body_bytes;
	struct policy_storing verdict;
	struct entry *entry; /* what is stored or was refreshed; NULL when neither */
	bool refreshed;
	bool shareable;      /* others than the leader may have it */
	bool aged;           /* the origin said an Age */
	bool beside;         /* apart, and an earlier flight of the URL was still in progress when the head came */
	int64_t answered_at; /* when the head came */

	/* a body that is more than one answer (flight_range.c) */
	struct partial_body *partial; /* parts that were stored before; NULL once the origin would not complete them */
	char *validator;              /* the strong one of the body, for asking on where it breaks off; NULL: none */
	bool validator_is_tag;
	bool resuming, resume_refused;
	unsigned resumes;
	int64_t resumed_at;   /* received then */
	int64_t expected_end; /* bytes from 0 up to which the transfer brings them; -1: it says itself when it is over
			       */

	bool is_part; /* stored as a range of a whole */
	struct part_place place;
	int64_t part_bytes; /* by its Content-Range */

	struct interim *interims;
	struct stream_buffer buffer;
	int64_t received;
	bool paused;

	/* the way to the store */
	const char *gave_up; /* why it is not stored after all; a literal or the configuration's. NULL: it is, or the
				verdict tells */
	bool storing;        /* set before STREAMING; cleared under the lock once trouble or a limit ends it */
	bool forgotten;      /* may not be stored any more (flight_table_forget) */
	bool given_up;       /* cancelled for want of readers: not to be joined */
	bool committed;      /* a row owns the body */
	int64_t on_disk;
	int64_t reserved; /* room taken for it in the cache (store_reserve) */
	int64_t behind;   /* its part of flights->behind; 0: the disk has all of it */
	struct body *body;
	bool disk_busy; /* the job is queued or running */
	struct disk_job job;
	struct store_put put;
	bool refreshing; /* a 304's row is to be written */
	struct store_refresh refresh;
	bool withdrawing; /* the row it set out from is no longer to be served stale */
	struct store_refresh withdrawal;
	struct flight *withdrawal_next; /* the table's */

	/* fixed once LANDED or DEAD */
	enum engine_outcome outcome;
	int curl_code;
	char *message;
	char *trailers;

	/* the request body */
	struct buf upload;
	bool upload_wanted, upload_waiting, upload_ended, upload_broken, upload_over;

	/* the table's */
	bool in_table;
	int64_t next_ms; /* monotonic: from when on a follower that has waited long enough may start another flight */
	struct flight *bucket_next, **bucket_link; /* what points at it */
	/* the engine's thread only */
	bool wakeup_pending;
	struct flight *next_pending_wakeup;
};

struct flight_reader {
	struct flight *flight;
	bool leads;
	bool late; /* joined when the head was there: what it gets is reused, not made for it (RFC 9111 4) */
	const struct head *request;
	bool (*gone)(void *);
	void *gone_ctx;
	int64_t late_ms;    /* monotonic: when it has waited long enough for the head; not the leader's */
	unsigned overtakes; /* of the flight, when it was joined */
	int64_t pos;
	struct segment *piece;         /* held for the reader between two reads */
	const struct interim *interim; /* last one told */
	struct flight_reader *next, **link;
};

struct flight_table {
	struct flight_table_config config;
	struct engine *engine;
	struct joins *joins;
	struct flight *withdrawals; /* whose withdrawal is not committed yet */
	atomic_uint withdrawing;    /* how many these are */
	pthread_mutex_t lock;
	struct flight_bucket {
		struct flight *first;
		uint64_t landed;
	} buckets[FLIGHT_BUCKETS];
	struct {
		uint64_t hash;
		int64_t until;
	} passes[FLIGHT_PASSES];
	atomic_llong behind; /* bytes that wait for the disk, however slow that is */
	int64_t collapse_wait_ms;
	size_t alive; /* flights whose memory is still in use */
	pthread_cond_t none_alive;
	struct flight *pending_wakeups; /* the engine's thread only */
};

int64_t flight_now(void); /* Unix seconds */
/* When it set out, so that the difference to now is the whole seconds that have passed and not the times a second has
 * turned. */
int64_t flight_asked_at(const struct flight *, int64_t now);
void flight_enter(struct flight *, enum flight_state); /* under the lock; waking who waits is the caller's */
void flight_hold(struct flight *);                     /* under its lock */
void flight_drop(struct flight *);                     /* without its lock; may free */
/* Gives up a fetch that nobody reads and nothing stores: its bytes would only fill the window. Under the lock. */
void flight_end_if_idle(struct flight *);
/* Bodies that are not written to disk, or wholly, stay in memory just as long as the slowest reader needs them. Under
 * the lock. */
void flight_forget_read(struct flight *);
/* Lets the origin go on when the window has room again. Under the lock. */
void flight_unpause(struct flight *);

/* flight_table.c: the table */
uint64_t flight_table_hash(const char *url);
/* The hash of the normal URL. Without memory that of url: a flight of another spelling is then not found. */
uint64_t flight_table_resource(const char *url);
void flight_table_close(struct flight *); /* out of the table, so nobody joins any more; without the flight's lock */
void flight_table_note_pass(struct flight_table *, uint64_t hash, bool pass);
bool flight_table_is_pass(struct flight_table *, uint64_t hash); /* under flights->lock */
/* A follower has waited long enough: 0, it may start another flight of the URL now; else when to ask again (monotonic,
 * ms). */
int64_t flight_table_take_turn(struct flight *);
/* Its head has come: followers of other flights of the URL that have none look again. Without the flight's lock. */
void flight_table_overtake(struct flight *);
/* True while a flight of the URL that began earlier is in progress. Without the flight's lock. */
bool flight_table_is_beside(struct flight *);

/* flight_receive.c */
extern const struct fetch_ops flight_receive_ops;
void flight_receive_batch_end(void *flights);

/* flight_store.c */
/* on_head: the verdict and the entry. came: what the origin sent, where response is stored fields updated by it; else
 * the same. */
void flight_store_judge(struct flight *, const struct head *response, const struct head *came);
void flight_store_grow(struct flight *); /* more has arrived: takes room for it, or gives up; under the lock */
void flight_store_fini(struct flight *); /* gives back the room that is left */
/* It is committed, or never will be; drops a reference. Without the lock. */
void flight_store_over(struct flight *, bool owned);
void flight_store_step(struct flight *);    /* there is something for the disk thread to do; under the lock */
void flight_store_refresh(struct flight *); /* a 304 is complete: writes the row; under the lock */
void flight_store_give_up(struct flight *, const char *why); /* no more storing; under the lock */
/* A whole body of which the disk has nothing yet: waits for it, or, where too many do, is not stored; under the lock,
 * before LANDED. */
void flight_store_wait_for_disk(struct flight *);
/* It broke off: may what there is be stored as a part? Then it is; under the lock, before DEAD. */
bool flight_store_salvage(struct flight *);

/* invalidation.c: on_head */
void invalidation_by(const struct flight *, const struct head *response);
/* Ends the stale use of the row that the flight set out from. Begun at the head, because a body may have no end;
 * flight_table_withdrawing() says so from its return on, until it is committed. The flight stays open as long. */
void invalidation_withdraw(struct flight *);

/* flight_range.c: also redirects that a rule follows */
/* True when this head is a redirect that is followed: its answer is not shown to anybody. */
bool flight_range_redirect(struct flight *, const struct head *response);
/* The first head: parts are completed, or forgotten. The head to go on with, which may be made in combined. */
const struct head *flight_range_first_head(
    struct flight *, const struct head *response, struct head *combined, struct buf *text);
void flight_range_note_validator(struct flight *, const struct head *response);
/* A further head of a body that had broken off: fits, or the fetch is given up. */
void flight_range_next_head(struct flight *, const struct head *response);
/* The transfer broke off: asks for the rest. True when it goes on; under the lock, on the engine's thread. */
bool flight_range_try(struct flight *, enum engine_outcome);

/* upload.c */
ssize_t flight_upload_take(struct flight *, char *bytes, size_t n);

#endif
