/*
 * flight: one fetch in progress, with everybody who waits for it. (The metaphor is that of a request in flight, as in
 * "single flight": all who want one URL share one fetch.) This header, with flight_reader.h and flight_upload.h, is
 * all that other folders need.
 *
 * A process has at most one shared flight for each URL and starting row (invariant 5). It can be joined until its row
 * is committed. Each request that joins has a reader, and all readers read the same growing body from its beginning:
 * no reader waits for the end to get the beginning. Flights know nothing of clients, except that they may ask whether
 * one is gone.
 *
 * A flight whose head does not come does not hold up its followers for ever. After --collapse-wait one of them starts a
 * second flight of the same URL, and one more follower does so after each further --collapse-wait. The first head
 * releases all of them. A second flight is stored only if the earlier ones have ended by then.
 */
#ifndef CURLEW_FETCH_FLIGHT_H
#define CURLEW_FETCH_FLIGHT_H

#include "fetch/engine.h"
#include "fetch/flight_reader.h"
#include "fetch/flight_upload.h"
#include "fetch/partial_body.h"
#include "http/compression.h"
#include "http/message.h"
#include "http/policy.h"
#include "store/store.h"

struct flight_engine;
struct flight_table; /* the flights of a process, and the engine they use */

struct flight_limits {
	int64_t max_body;       /* larger bodies are not stored; 0: no limit */
	const char *too_large;  /* the reason to report for those; a literal */
	double collapse_wait_s; /* how long a request waits for the head of another request's fetch (--collapse-wait) */
	double connect_timeout_s, origin_timeout_s; /* as in engine_limits */
};

struct flight_config {
	struct engine_config engine; /* limits, batch_end and ctx are set by flight_open() */
	struct store *store;         /* outlives the flights */
	struct policy policy;
	bool compress; /* make compressed copies of what is stored */
	struct flight_limits limits;
	const struct named_sites *sites; /* of --origin NAME=URL; they outlive the flights. NULL: none */
	bool trusted; /* fetches go to --origin, whose address is allowed because the user named it */
};

/* Starts the engine. NULL with a sentence in why. */
struct flight_table *flight_open(const struct flight_config *, struct buf *why);
/* Cancels what is in progress, ends the engine, and waits until every flight is stored or given up. Leave all readers
 * first, and call this before store_close(). NULL is fine. */
void flight_close(struct flight_table *);
/* The limits that hold from now on. Any thread. */
void flight_set_limits(struct flight_table *, const struct flight_limits *);
/* Borrowed; lives until flight_close(). */
struct engine *flight_engine(struct flight_table *);
/* Asks for a compressed copy of a stored response. Nothing happens without config.compress. Does not wait. */
void flight_want_copy(struct flight_table *, const struct entry *, enum compression, int64_t purge_id);
/* Combines stored parts that cover whole bodies into entries. Does not wait for that. */
void flight_combine_stored(struct flight_table *);

/* --- questions about a URL; any thread --- */

/* A number that changes when a flight of the URL ends. Read it before looking the URL up: flight_join() compares it,
 * and so notices that a flight was stored between the look-up and the join. */
uint64_t flight_generation(struct flight_table *, const char *url);
/* An unsafe method has succeeded outside of a flight: invalidates the rows and the flights of its URL (RFC
 * 9111 4.4). It holds when this returns. */
void flight_invalidate(struct flight_table *, const char *url);
/* True when the last response of the URL was not shareable: a request with the client's own conditions costs the store
 * nothing then. */
bool flight_is_unshareable(struct flight_table *, const char *url);
/* The id of a row of this URL that is being withdrawn (policy_storing_withdraws) and whose commit is not done; 0: none.
 * Read it before looking the URL up. */
int64_t flight_withdrawn_row(struct flight_table *, const char *url);
/* How many bytes of the URL's body have arrived, if a flight that others may join is fetching it; else 0. *body_bytes
 * is the length of the whole body, -1 when it is not known. */
int64_t flight_arrived(struct flight_table *, const char *url, int64_t *body_bytes);
/* True when a fetch of this URL may need a TLS handshake, which takes milliseconds of a processor. */
bool flight_is_secure(const struct flight_table *, const char *url);
/* Waits a moment for the row of a complete flight that the caller may not join. `alone`: the caller may join none at
 * all. True when the flight has ended: look the URL up once more. */
bool flight_await_row(struct flight_table *, const char *url, bool alone);

/* --- joining --- */

/* What a request wants. Everything is copied unless its comment says otherwise. */
struct flight_ask {
	struct span method;
	const char *url;       /* the key of the cache */
	const char *fetch_url; /* the URL to request from the origin; NULL: url */
	struct span fields;    /* the request's field lines, "Name: value\n" each */
	int64_t upload_bytes;  /* ENGINE_NO_UPLOAD, ENGINE_CHUNKED_UPLOAD or a length */
	bool asterisk;         /* the request target is "*": the server as a whole */

	const struct entry *was;           /* the row that the response replaces; NULL: none */
	const struct index_rows *variants; /* without was: rows of which a 304 may select one by its tag (RFC
					      9111 4.3.3); or NULL */
	bool conditional;             /* fields carry the validators of was or of the variants: a 304 is about those */
	struct partial_body *partial; /* stored parts that fields ask to complete, or NULL. Owned by the flight once
					 FLIGHT_LEADS is returned, else still by the caller */
	int64_t purge_id;             /* the last purge known (store_rules) */
	const struct rule_decision *decision; /* NULL: no rule */
	const struct store_rules *rules;      /* the set of decision; held by the flight if it decides by status. May be
						 NULL: then it does not */
	enum compression coding;              /* with config.compress: make a copy in this coding once it is stored */

	bool shared;       /* a plain GET: it may join others, and others may join it */
	bool second;       /* flight_reader_wait() returned FLIGHT_LATE: join only a flight that has its head, else
			      start a second one */
	int64_t max_age_s; /* a response in progress that is older is not joined; -1: any fresh one is */
	bool background;   /* goes on without readers (stale-while-revalidate) */
	bool leads_only;   /* FLIGHT_LOOK_AGAIN if there is any other flight of the URL: then no look-up is needed, but
			      a thread that may block must join */
	uint64_t generation; /* flight_generation(), read before the look-up */

	const struct head *request; /* the client's own head, which selects by Vary. Borrowed until the reader leaves */
	/* The leader does not wait by blocking. Its thread owns this engine, and notify() is called on it after each
	 * batch that changed the flight, until flight_reader_block(). NULL: the table's engine, and no notify(). */
	struct flight_engine *engine;
	void (*notify)(void *ctx);
	void *notify_ctx;
	bool (*gone)(void *ctx); /* called now and then while waiting, without locks; true: the client is gone. May be
				    NULL */
	void *gone_ctx;
};

enum flight_joined {
	FLIGHT_LEADS,      /* the reader started a flight */
	FLIGHT_FOLLOWS,    /* the reader joined one that was in progress */
	FLIGHT_LOOK_AGAIN, /* a flight of the URL ended after the look-up. No reader: look the URL up once more */
	FLIGHT_NO_MEMORY   /* no reader */
};

/* Joins a flight, or starts one. *reader belongs to the calling thread, which leaves it with flight_reader_leave();
 * NULL where the result says "no reader". Any thread but the engine's. Does not wait for the network or the disk. */
enum flight_joined flight_join(struct flight_table *, const struct flight_ask *, struct flight_reader **reader);

#endif
