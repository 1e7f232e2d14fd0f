/*
 * flight: one fetch in progress, who waits for it, what has arrived, and how it lands in the store.
 *
 * At most one shared flight per URL is open to be joined in a process (invariant 5); it stays so until its row is
 * committed. Every waiter has a *reader* and reads the same growing body from its beginning; nobody waits for the end
 * to get the beginning. A reader belongs to the thread that took it. Flights know nothing of clients but a question
 * whether one is gone.
 *
 * A flight whose head does not come does not hold up its followers for ever: after --collapse-wait one of them starts
 * another flight of the same URL, and another one each further --collapse-wait. The first head releases everybody. A
 * flight that was started like this is stored only if the earlier ones have ended by then.
 */
#ifndef CURLEW_FETCH_FLIGHT_H
#define CURLEW_FETCH_FLIGHT_H

#include "fetch/engine.h"
#include "fetch/partial_body.h"
#include "http/message.h"
#include "http/policy.h"
#include "store/store.h"

struct flight_table; /* the table of a process */
struct flight_reader;

struct flight_table_config {
	struct engine_config engine; /* batch_end and ctx are set by flights */
	struct store *store;
	struct policy policy;
	int64_t max_body;       /* larger bodies are not stored; 0: no limit */
	const char *too_large;  /* why, of those */
	bool trusted;           /* fetches go to --origin, which is allowed by being named */
	double collapse_wait_s; /* how long a request waits for the head of another request's fetch (--collapse-wait) */
};

/* Starts the engine. NULL with a sentence in why. */
struct flight_table *flight_table_new(const struct flight_table_config *, struct buf *why);
/* Gives up what is in the air and ends the engine. All readers must have been left; call before store_close(). */
void flight_table_free(struct flight_table *);
struct engine *flight_table_engine(struct flight_table *);
/* Makes entries of the parts that are stored and cover whole bodies. Does not wait for that. */
void flight_table_join_stored(struct flight_table *);

/* Read before looking a URL up: lets flight_join notice that a flight landed between the look-up and the join. */
uint64_t flight_table_landed(struct flight_table *, const char *url);
/* True when the URL's last answer could not be shared: asking for it with the client's own conditions costs the store
 * nothing. */
bool flight_table_passes(struct flight_table *, const char *url);
/* The id of a row of this URL whose withdrawal is on its way into the index (policy_storing_withdraws); 0: none. Read
 * before looking the URL up. */
int64_t flight_table_withdrawing(struct flight_table *, const char *url);
struct flight;
/* The URL changed at its origin (RFC 9111 4.4): what is in the air for any spelling of it, but for the one that brought
 * the news (or NULL), is neither stored nor joined any more. */
void flight_table_forget(struct flight_table *, const char *url, const struct flight *but);

struct flight_ask {
	struct span method;
	const char *url;
	struct span fields;                   /* lines to send, "Name: value\n" */
	const struct entry *was;              /* the row this replaces, or NULL; copied */
	const struct index_rows *variants;    /* without was: rows of which a 304 may choose one by its tag (RFC
						 9111 4.3.3); copied. Or NULL */
	const char *fetch_url;                /* asked of the origin instead of url, the key; NULL: url */
	int64_t purge_id;                     /* the last purge known (store_rules) */
	const struct rule_decision *decision; /* copied; NULL: no rule */
	struct partial_body *partial; /* stored parts that fields ask to be completed; the flight's once FLIGHT_LEADS is
					 returned. Or NULL */
	bool conditional; /* fields carry the validators of was or of the variants: a 304 is about one of them */
	bool shared;      /* others may join, this may join others: a plain GET */
	bool apart; /* flight_wait() has said FLIGHT_LATE: joins only a flight that has its head, and else starts one */
	int64_t max_age_s;          /* an answer in the air that is older is not joined; -1: any that is fresh is */
	bool background;            /* goes on without readers (stale-while-revalidate) */
	bool asterisk;              /* the target is "*": a server as a whole */
	int64_t upload_bytes;       /* ENGINE_NO_UPLOAD, ENGINE_CHUNKED_UPLOAD or a length */
	uint64_t landed;            /* flight_table_landed() */
	const struct head *request; /* the client's own head: selects by Vary; borrowed until the reader is left */
	bool (*gone)(void *ctx);    /* asked now and then while waiting; true: the client is gone. May be NULL */
	void *gone_ctx;
};

/* How many bytes of the URL's body have come so far, if it is being fetched by a flight that others may join; else 0.
 * *body_bytes: how many there will be, -1 when that is not known. */
int64_t flight_table_arrived(struct flight_table *, const char *url, int64_t *body_bytes);
/* What has just been fetched may be on its way into the index, and not to be joined (by any, or by one who must ask
 * alone): waits a moment for its row. True when it came: look the URL up once more. */
bool flight_table_settle(struct flight_table *, const char *url, bool alone);

enum flight_joined {
	FLIGHT_LEADS,      /* this reader began it */
	FLIGHT_FOLLOWS,    /* it was in the air */
	FLIGHT_LOOK_AGAIN, /* one landed since the look-up: no reader; look the URL up once more */
	FLIGHT_NO_MEMORY   /* no reader */
};
enum flight_joined flight_join(struct flight_table *, const struct flight_ask *, struct flight_reader **);
/* Gives the reader up; unless others wait, the fetch goes on only if it is stored and its length is known and it is
 * past half or has less than 1 MiB to go. NULL is fine. */
void flight_leave(struct flight_reader *);
/* Leaves a flight that is worth finishing for the store although its last client needs no more of it. */
void flight_leave_running(struct flight_reader *);

enum flight_wait_result {
	FLIGHT_INTERIM,   /* status and fields of a 1xx head; only the leader hears of them. Wait again */
	FLIGHT_ANSWER,    /* the final head; the body follows by flight_read() */
	FLIGHT_REFRESHED, /* 304: entry is the freshened row; nothing to read */
	FLIGHT_RELEASED,  /* this answer is not for you: ask for yourself, unshared. Leave */
	FLIGHT_LATE, /* the head of another's fetch has not come in time: leave, look the URL up once more and ask apart
		      */
	FLIGHT_OVERTAKEN, /* another flight of the URL has its head: leave and look the URL up once more */
	FLIGHT_FAILED,    /* outcome and message tell */
	FLIGHT_GONE       /* your client is gone */
};
struct flight_response {
	int status;
	int minor;
	struct span fields;        /* as received (REFRESHED: those of the 304); borrowed until the reader is left */
	bool reused;               /* another client's request produced it: its Set-Cookie is not for this one */
	int64_t body_bytes;        /* -1: not known */
	const struct entry *entry; /* REFRESHED, or ANSWER when it is being stored (headers as stored); else NULL; as
				      the fields */
	bool stored;               /* it goes into the store if all goes well */
	const char *stopped; /* why it will not be stored all the same, because nothing is at the moment; NULL: it will
			      */
	int64_t age_s;       /* what Age is to say of an ANSWER; -1: nothing, the origin has just made it */
	const char *reason;  /* the policy's, about storing */
	enum engine_outcome outcome;
	int curl_code;
	const char *message;
};
enum flight_wait_result flight_wait(struct flight_reader *, struct flight_response *);

enum flight_read {
	FLIGHT_BYTES, /* bytes[0..n) in memory */
	FLIGHT_FILE,  /* n bytes of fd from offset at on */
	FLIGHT_END,
	FLIGHT_BROKEN, /* it broke off: what was sent is not whole */
	FLIGHT_LEFT,   /* your client is gone */
	FLIGHT_QUIET   /* nothing now (only with wait false) */
};
struct flight_piece {
	const char *bytes;
	size_t n;
	int fd;
	int64_t at;
};
/* The next part of the body, good until the next call for this reader. wait: rather than QUIET. */
enum flight_read flight_read(struct flight_reader *, bool wait, struct flight_piece *);
/* The next read begins at byte `at` of the body; before the first read. */
void flight_seek(struct flight_reader *, int64_t at);
/* Trailer field lines; after FLIGHT_END. */
struct span flight_trailers(struct flight_reader *);

/* --- the request body: by any one thread, while the reader is held --- */

/* Blocks until the origin wants the body (Expect: 100-continue) or has answered without it: then false. */
bool flight_upload_wanted(struct flight_reader *);
/* Blocks while the pipe is full. 0, or -1: nobody wants more. */
int flight_upload(struct flight_reader *, const char *bytes, size_t n);
/* The end of the body; whole false: it broke off, and so does the fetch. */
void flight_upload_end(struct flight_reader *, bool whole);
/* Nobody wants more of the body: flight_upload() and flight_upload_wanted() return at once. */
void flight_upload_stop(struct flight_reader *);

#endif
