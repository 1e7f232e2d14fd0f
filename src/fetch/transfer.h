/*
 * transfer: one fetch as libcurl sees it, from its settings to its end. The engine (engine.c) says when it begins and
 * when it ends; what libcurl brings meanwhile is read in transfer_receive.c. The engine's thread only, but for what
 * says otherwise.
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

/* What all transfers of an engine share. */
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
	int64_t upload_bytes;
	bool asterisk, trusted, idempotent;
	bool binds_connection; /* its credentials authenticate the connection: nobody else may use that (NTLM,
				  Negotiate) */
	bool tunnel;           /* only connects; end.fd is the socket */
	struct curl_slist *fields;

	/* one attempt; there is another one after a name came, or after kept connections had died */
	CURL *easy;
	struct socket_use use;
	struct name_wait name;
	bool unused;      /* its request was not sent: the kept connection was not silent */
	bool asked_fresh; /* sent again on a fresh connection after all kept ones had died */
	char error[CURL_ERROR_SIZE];

	/* the response (transfer_receive.c) */
	struct head parsed;
	struct buf head;     /* field lines of the head being received */
	struct buf trailers; /* HTTP/2 trailer lines; HTTP/1 ones are in chunks.trailers */
	struct chunked chunks;
	int status, minor;
	bool head_done, dechunk, dechunked;
	int64_t left;       /* bytes the head promised and that have not come; -1: it promised no number */
	bool counts_itself; /* libcurl does not know `left`: we end the transfer */
	bool whole;         /* ended so: an error of libcurl is none */
	struct close_notify *close_notify; /* where only the end of TLS tells a whole body; else NULL */
	bool receive_paused, send_paused;
	enum engine_outcome failed; /* what our own callbacks decided, or ENGINE_OK */
	const char *failed_why;
	int64_t deadline_ms; /* monotonic; INT64_MAX while we are the slow ones */

	/* engine.c: its list of active fetches */
	bool active;
	struct fetch *next, **link;

	/* engine.c: commands of other threads, under the engine's lock */
	unsigned commands;
	struct fetch *next_commanded;
	bool commanded;
};

/* Once a process. */
void transfer_setup(void);
/* Copies spec; nothing is begun. Any thread. NULL: memory. */
struct fetch *transfer_new(struct transfer_context *, const struct fetch_spec *, const struct fetch_ops *, void *ctx);
void transfer_free(struct fetch *);

/* Makes and sets up f->easy. 0, or -1: memory. */
int transfer_begin(struct fetch *);
/* receive, send: which way may go on; the other stays as it is. */
void transfer_resume(struct fetch *, bool receive, bool send);
/* True when the request did not go out, or went out on kept connections alone, none of which brought a byte, and may be
 * sent again. */
bool transfer_asks_again(struct fetch *, CURLcode);
/* Gives the connection back and ends the handle of one attempt. */
void transfer_drop_handle(struct fetch *);
/* Ends the handle and calls done(). */
void transfer_end(struct fetch *, CURLcode);

#endif
