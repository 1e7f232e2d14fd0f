/*
 * flight_reader: one reader of a flight. It waits for the head and then reads the body, from memory or from the file
 * that is being written.
 *
 * A reader belongs to the thread that got it from flight_join(). Only that thread may call the functions here, and it
 * must leave the reader at the end.
 */
#ifndef CURLEW_FETCH_FLIGHT_READER_H
#define CURLEW_FETCH_FLIGHT_READER_H

#include "fetch/engine.h"

struct entry;
struct flight_reader;

enum flight_wait_result {
	FLIGHT_INTERIM,   /* status and fields of a 1xx response; only the leader gets these. Wait again */
	FLIGHT_RESPONSE,  /* the final head; read the body with flight_reader_read() */
	FLIGHT_REFRESHED, /* a 304: entry is the refreshed row, and there is nothing to read */
	FLIGHT_RELEASED,  /* this response is for the leader alone. Leave, and fetch unshared */
	FLIGHT_LATE,      /* the head did not come in time. Leave, look the URL up once more, and set ask.second */
	FLIGHT_OVERTAKEN, /* another flight of the URL has its head. Leave, and look the URL up once more */
	FLIGHT_FAILED,    /* no head will come; outcome and message say why */
	FLIGHT_GONE       /* the client is gone */
};

/* Spans and pointers are borrowed until the reader leaves. */
struct flight_response {
	int status;
	int minor;          /* of HTTP/1; 2 for HTTP/2 */
	struct span fields; /* field lines as received, with a Date added if there was none; for a follower of a
			       response that is stored, as stored */
	bool reused;        /* another client's request produced the response: its Set-Cookie is not for this one */
	int64_t body_bytes; /* -1: not known */
	const struct entry *entry; /* REFRESHED: the row. RESPONSE: the row to be, if it is stored, else NULL */
	bool stored;               /* it will be stored, if all goes well */
	const char *stopped;       /* why it will not be stored although it might be; NULL: nothing prevents it */
	int64_t age_s;      /* the Age to send with a RESPONSE; -1: none, the origin made the response just now */
	const char *reason; /* the policy's reason for storing it or not */
	enum engine_outcome outcome;
	int curl_code;
	const char *message;
};

/* Waits for the next interim response or for the final head. */
enum flight_wait_result flight_reader_wait(struct flight_reader *, struct flight_response *);

/* For a leader that does not wait by blocking (flight_ask.notify); on its engine's thread. */
enum flight_progress {
	FLIGHT_NOTHING, /* no head yet */
	FLIGHT_WHOLE,  /* the whole response is in memory, or its failure is known: no function of this header blocks */
	FLIGHT_GOES_ON /* anything else: a thread that may block must go on */
};

/* max_bytes: a larger body does not count as FLIGHT_WHOLE. */
enum flight_progress flight_reader_progress(struct flight_reader *, int64_t max_bytes);
/* The reader waits by blocking from now on, on whatever thread it belongs to: notify() is not called any more. */
void flight_reader_block(struct flight_reader *);

enum flight_read {
	FLIGHT_BYTES,  /* bytes[0..n) in memory */
	FLIGHT_FILE,   /* n bytes of the file fd, from offset `at` */
	FLIGHT_END,    /* the body is whole */
	FLIGHT_BROKEN, /* the body broke off: what was read is not whole */
	FLIGHT_LEFT,   /* the client is gone */
	FLIGHT_QUIET   /* nothing has arrived (only with wait false) */
};

struct flight_bytes {
	const char *bytes;
	size_t n;
	int fd; /* borrowed */
	int64_t at;
};

/* The next bytes of the body, valid until the next call with this reader. wait: block instead of returning QUIET. */
enum flight_read flight_reader_read(struct flight_reader *, bool wait, struct flight_bytes *);
/* The first read begins at byte `at` of the body. Call it before that read. */
void flight_reader_seek(struct flight_reader *, int64_t at);
/* Trailer field lines. Call it after FLIGHT_END; borrowed until the reader leaves. */
struct span flight_reader_trailers(struct flight_reader *);

/* Ends the reader. If it was the last one, the fetch goes on only when it is worth finishing: it runs in the
 * background, or it is stored, its length is known, and half of it has arrived or less than 1 MiB is missing. NULL is
 * fine. */
void flight_reader_leave(struct flight_reader *);
/* The same, but a flight that is being stored goes on in any case. */
void flight_reader_leave_running(struct flight_reader *);

#endif
