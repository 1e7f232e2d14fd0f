/*
 * transfer: struct fetch, one fetch as libcurl sees it, from its settings to its end. engine.c decides when it begins
 * and ends; transfer_receive.c takes what libcurl delivers in between.
 *
 * Threads. transfer_new() may be called by any thread; until engine_start() has queued the fetch, that thread alone has
 * it. From then on every member belongs to the engine's thread, except the group at the end, which other threads change
 * under the engine's lock.
 */
#ifndef CURLEW_FETCH_TRANSFER_H
#define CURLEW_FETCH_TRANSFER_H

#include "fetch/engine.h"
#include "fetch/name_lookups.h"
#include "fetch/origin_sockets.h"
#include "http/chunked.h"
#include "http/message.h"

#include <curl/curl.h>

struct close_notify;

/* Shared by all transfers of an engine. Config and strings are fixed; the rest is for the engine's thread. */
struct transfer_context {
	struct engine_config config;
	char *proxy, *cacert;
	CURLM *multi;
	struct origin_sockets *sockets;
	struct name_lookups *lookups;
};

struct fetch {
	/* fixed from engine_start() on */
	struct engine *engine;
	struct transfer_context *shared;
	const struct fetch_ops *ops;
	void *ctx;
	char *method, *url;
	const struct named_site *site; /* whose backends are asked; NULL: the host of url is */
	int64_t upload_bytes;
	bool asterisk, trusted, idempotent, again;
	bool binds_connection; /* its credentials authenticate the connection, which no other fetch may use (NTLM,
				  Negotiate) */
	bool tunnel;           /* only connects; end.fd is the socket */
	struct curl_slist *fields;

	/* one attempt. There is another one after a look-up has ended, or after kept connections turned out dead */
	CURL *easy;
	struct socket_use use;
	struct name_wait name;
	bool by_parent;         /* it asks the parent, not the origin */
	bool sent;              /* the request has been, or is about to be, sent */
	bool unused;            /* its request was not sent, because bytes had arrived on the kept connection */
	bool asked_fresh;       /* the request is sent again on a fresh connection, because the kept ones were dead */
	int backend;            /* of the site, which this attempt asks */
	char *backend_url;      /* what it is asked for; NULL without a site */
	unsigned left_backends; /* a bit for each backend that could not be reached */
	bool left_parent;       /* the parent could not be reached: the origin is asked */
	char error[CURL_ERROR_SIZE];

	/* the response (transfer_receive.c) */
	struct head parsed;
	struct buf head;     /* field lines of the head being received */
	struct buf trailers; /* HTTP/2 trailer lines; HTTP/1 ones are in chunks.trailers */
	struct chunked chunks;
	int status, minor;
	bool head_done, dechunk, dechunked;
	int64_t left; /* bytes of the body that the head promised and that have not arrived; -1: no number was given */
	bool counts_itself; /* libcurl does not know `left`, so we end the transfer */
	bool whole;         /* we ended it, with the whole body: the error that libcurl reports means nothing */
	struct close_notify *close_notify; /* where only the end of TLS shows that the body is whole; else NULL */
	bool receive_paused, send_paused;
	enum engine_outcome failed; /* the error that our own callbacks found; ENGINE_OK: none */
	const char *failed_why;
	int64_t deadline_ms; /* monotonic; INT64_MAX: none yet. Does not count while paused */

	/* engine.c: its list of active fetches */
	bool active;
	struct fetch *next, **link;

	/* engine.c: commands of other threads. Under the engine's lock */
	unsigned commands;
	struct fetch *next_commanded;
	bool commanded;
};

/* Once a process. */
void transfer_setup(void);
/* Copies spec, and begins nothing. Any thread. NULL: no memory. */
struct fetch *transfer_new(struct transfer_context *, const struct fetch_spec *, const struct fetch_ops *, void *ctx);
void transfer_free(struct fetch *);

/* Makes f->easy and sets its options. 0, or -1: no memory. */
int transfer_begin(struct fetch *);
/* Ends the pause of receiving, of sending, or of both; a direction that is false stays as it is. */
void transfer_resume(struct fetch *, bool receive, bool send);
/* True when the request is to be sent again: it was not sent at all, or only on kept connections that died before one
 * byte of a response arrived, and it may be repeated. */
bool transfer_is_repeated(struct fetch *, CURLcode);
/* True when the parent or a backend was asked and cannot be reached: the next attempt asks another server, unless the
 * first one may have acted on a request that must not be repeated. */
bool transfer_goes_elsewhere(struct fetch *, CURLcode);
/* Ends one attempt: gives its connection back, and frees its handle. Does nothing when there is none. */
void transfer_drop_handle(struct fetch *);
/* Ends the last attempt and calls done(). */
void transfer_end(struct fetch *, CURLcode);

#endif
