/*
 * engine: requests to origins, with one curl_multi. It knows transfers, not caching.
 *
 * An engine is a component without a thread. Its owner, one thread, makes the turns in which everything happens: a
 * thread of its own (engine_thread.h), or an event loop that waits for engine_fd() among others.
 *
 * A fetch belongs to the engine from engine_start() until its done() callback, which is called exactly once, and last.
 * All callbacks run on the owner's thread. They must not block, and may call engine_resume_*() and engine_cancel().
 *
 * Redirects are not followed. Bodies are delivered without their transfer coding (RFC 9112 7), and with their content
 * coding as it was received. More in docs/internals/engine.md.
 */
#ifndef CURLEW_FETCH_ENGINE_H
#define CURLEW_FETCH_ENGINE_H

#include "base/buf.h"
#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

struct address_cache;
struct allow;
struct parent;
struct engine;
struct fetch;
struct named_site;

/* They may change at any time; fetches that begin afterwards obey. */
struct engine_limits {
	_Atomic int64_t connect_timeout_ms;
	_Atomic int64_t origin_timeout_ms; /* for the whole head, then for each silence; not while paused by the
					      receiver */
};

struct engine_config {
	const char *proxy;                  /* upstream proxy URL, or NULL: environment variables are never looked at */
	struct parent *parent;              /* asked instead of origins; outlives the engine. NULL: none */
	const char *cacert;                 /* PEM file, or NULL for the system's trust store */
	const struct engine_limits *limits; /* outlive the engine */
	const struct allow *allow;          /* outlives the engine; NULL: public addresses only */
	bool offline;                       /* every fetch fails at once, with ENGINE_OFFLINE */
	struct address_cache *addresses;    /* shared by engines, and outlives them; NULL: the engine has its own */
	bool looks_up; /* look names up; else a fetch whose address is not known fails with ENGINE_NO_ADDRESS */
	void (*batch_end)(void *ctx); /* after each batch of callbacks: the moment to wake waiting threads; may be NULL
				       */
	void *ctx;
};

enum engine_outcome {
	ENGINE_OK,
	ENGINE_NO_HOST,     /* the name does not resolve */
	ENGINE_UNREACHABLE, /* refused, no route */
	ENGINE_PROXY,       /* the upstream proxy cannot be reached, or it refuses the connection to the host */
	ENGINE_NOT_ALLOWED, /* its address is not public and no --allow-to names it */
	ENGINE_TIMEOUT,
	ENGINE_TLS,    /* handshake or certificate */
	ENGINE_BROKEN, /* reset, closed or truncated before the response was whole */
	ENGINE_BAD,    /* the response is not valid HTTP */
	ENGINE_OFFLINE,
	ENGINE_BUSY,       /* too many names are being looked up at once */
	ENGINE_NO_ADDRESS, /* this engine looks no names up: another one must make the fetch */
	ENGINE_CANCELLED,
	ENGINE_NO_MEMORY /* curlew itself has no memory */
};

struct engine_end {
	enum engine_outcome outcome;
	int curl_code; /* libcurl's number, for the exit status of `get` */
	const char *message;
	struct span trailers; /* field lines */
	double dns_ms, connect_ms, ttfb_ms, total_ms;
	int64_t upload_bytes;
	int fd; /* the socket of a tunnel, which the receiver must close; -1: none */
};

enum { ENGINE_UPLOAD_WAIT = -1, ENGINE_UPLOAD_ABORT = -2 };

struct fetch_ops {
	/* An interim (1xx) head: status, field lines. May be NULL. */
	void (*interim)(void *ctx, int status, struct span fields);
	/* The final head: status, HTTP/1 minor version (2 for HTTP/2), field lines as received; body_bytes -1 when not
	 * known. */
	void (*head)(void *ctx, int status, int minor, struct span fields, int64_t body_bytes);
	/* Body bytes, always taken; false asks for a pause until engine_resume_data(). */
	bool (*data)(void *ctx, const char *bytes, size_t n);
	/* Up to n bytes of the request body; 0 at its end, ENGINE_UPLOAD_WAIT until engine_resume_upload(),
	 * ENGINE_UPLOAD_ABORT. */
	ssize_t (*upload)(void *ctx, char *bytes, size_t n);
	void (*done)(void *ctx, const struct engine_end *);
};

enum { ENGINE_NO_UPLOAD = -2, ENGINE_CHUNKED_UPLOAD = -1 };

struct fetch_spec {
	const char *method;
	const char *url;
	struct span fields;   /* "Name: value\n" lines to send; Host and framing are the engine's */
	int64_t upload_bytes; /* or one of the two above */
	bool asterisk;        /* the target is "*": the server as a whole (RFC 9112 3.2.4) */
	/* The URL is one of this site: a backend of the site is asked for it, with the Host of the URL. It outlives the
	 * fetch. NULL: the host of the URL is asked. */
	const struct named_site *site;
	bool trusted;    /* --origin: its address is allowed by being named */
	bool idempotent; /* may be sent again when a kept connection turns out dead */
	bool again;      /* another engine has ended it with ENGINE_NO_ADDRESS: it is not counted twice */
	bool tunnel;     /* connect only: method, fields and body are not used */
};

/* NULL with a sentence in why. */
struct engine *engine_new(const struct engine_config *, struct buf *why);
/* After engine_stop(), when no thread uses the engine any more. NULL is fine. */
void engine_free(struct engine *);

/* For the owner's thread: */
/* Readable when a turn is due: an epoll descriptor, to be waited for. */
int engine_fd(const struct engine *);
/* In how many milliseconds a turn is due although engine_fd() is not readable; -1: never. */
int engine_wait_ms(struct engine *);
/* True when the owner has given a command since its last turn: a turn is due then, whatever engine_wait_ms() has said
 * before. It costs no lock. */
bool engine_has_command(const struct engine *);
/* Makes one turn. wait_ms: how long to wait for the first event; 0: not at all; -1: without a limit. */
void engine_turn(struct engine *, int wait_ms);
/* The last turn: cancels all fetches. Each done() is called before this returns. May be called by any one thread once
 * the owner's has ended. */
void engine_stop(struct engine *);

/* Makes engine_fd() readable. Any thread. */
void engine_wake(struct engine *);

/* Copies spec. Any thread; callbacks may come before this returns. NULL: no memory; then no callback comes. */
struct fetch *engine_start(struct engine *, const struct fetch_spec *, const struct fetch_ops *, void *ctx);
/* Any thread, but not after done() has returned. The caller must see to that with a lock of its own that done() takes
 * too. */
void engine_resume_data(struct fetch *);
void engine_resume_upload(struct fetch *);
void engine_cancel(struct fetch *);

/* Versions of libcurl and its TLS library, for --version. */
const char *engine_libraries(void);

#endif
