/* engine_internal: what the engine's own files share, and nobody else sees: engine.c (the thread), engine_transfer.c (one transfer),
 * engine_sockets.c (libcurl's sockets), engine_names.c (name look-ups in progress), engine_tls.c and engine_tunnel.c. */
#ifndef CURLEW_FETCH_ENGINE_INTERNAL_H
#define CURLEW_FETCH_ENGINE_INTERNAL_H

#include "fetch/engine.h"
#include "http/chunked.h"
#include "http/message.h"

#include <curl/curl.h>
#include <pthread.h>

/* Asked of a fetch by other threads; a set of these waits in fetch->wishes for the engine's thread. */
enum { WISH_START = 1, WISH_RECEIVE = 2, WISH_SEND = 4, WISH_CANCEL = 8 };

struct fetch {
	struct engine *engine;
	const struct fetch_ops *ops;
	void *ctx;
	char *method, *url;
	int64_t upload_bytes;
	bool asterisk, trusted, idempotent;
	bool binds_connection; /* its credentials authenticate the connection: nobody else may use that (NTLM, Negotiate) */
	bool tunnel;           /* only connects; end.fd is the socket */
	struct curl_slist *fields;

	/* the engine's thread only */
	CURL *easy;
	struct head parsed;
	struct buf head;     /* field lines of the head being received */
	struct buf trailers; /* HTTP/2 trailer lines; HTTP/1 ones are in chunks.trailers */
	struct chunked chunks;
	int status, minor;
	bool head_done, dechunk, dechunked;
	bool bodiless; /* by its head, the response has no body */
	int64_t left; /* bytes the head promised and that have not come; -1: it promised no number */
	bool counts_itself; /* libcurl does not know `left`: we end the transfer */
	bool whole;         /* ended so: an error of libcurl is none */
	int fd;             /* the last socket made for it, then the one of its connection; -1: none */
	int64_t taken;      /* bytes of responses libcurl took from its connection */
	bool unused;        /* its request was not sent: the kept connection was not silent */
	bool asked_fresh;   /* sent again on a fresh connection after all kept ones had died */
	struct goodbye *goodbye; /* where only the end of TLS tells a whole body; else NULL */
	bool receive_paused, send_paused;
	enum engine_outcome failed; /* what our own callbacks decided, or ENGINE_OK */
	const char *failed_why;
	int64_t deadline_ms; /* monotonic; INT64_MAX while we are the slow ones */
	bool active;
	struct fetch *next, **link; /* in engine->active */
	struct name_lookup *lookup; /* the look-up it began or waits for; NULL: none */
	bool waits_for_name;
	struct fetch *next_waiting;
	char error[CURL_ERROR_SIZE];

	/* under engine->lock */
	unsigned wishes;
	struct fetch *wished_next;
	bool wished;
};

enum { ENGINE_PORT_CHAINS = 256 };

struct engine {
	struct engine_config config;
	char *proxy, *cacert;
	pthread_t thread;
	int epoll_fd, wake_fd;

	CURLM *multi;
	int64_t timer_ms; /* when libcurl wants to be called; INT64_MAX: not */
	struct fetch *active;
	struct engine_socket *sockets; /* by descriptor */
	size_t socket_count;
	int sockets_by_port[ENGINE_PORT_CHAINS]; /* descriptors, through next_fd */
	int dead_fd; /* a socket whose other end is closed; -1: none */
	struct name_lookup *lookups;
	unsigned lookup_count;
	bool lookups_found;

	pthread_mutex_t lock; /* below it: only a list is touched, never waits */
	struct fetch *wished_first, **wished_last;
	bool ending;
};

void engine_global_init(void); /* once a process */

/* --- engine_sockets.c: libcurl's sockets, of which those that are idle must stay silent (invariant 10) --- */

int sockets_init(struct engine *);
void sockets_fini(struct engine *);
/* Callbacks of libcurl: a socket was made, is to be closed, is to be watched. */
void sockets_opened(struct engine *, int fd);
int sockets_close(void *engine, curl_socket_t);
int sockets_watch(CURL *, curl_socket_t, int what, void *engine, void *known);
/* The transfer is about to send its request on the connection of these names. False: not on this one, for something has arrived on it. */
bool sockets_use(struct fetch *, const char *remote, int remote_port, int local_port);
/* It gives the connection back. */
void sockets_leave(struct fetch *);
/* True when the event is for libcurl. Else it was an idle connection that spoke, or one libcurl does not listen to at the moment. */
bool sockets_event(struct engine *, int fd);

/* --- engine_names.c: at most one look-up a name, and ENGINE_LOOKUPS in all --- */

enum { ENGINE_LOOKUPS = 64 };
enum lookup_verdict { LOOKUP_BEGUN, LOOKUP_WAITS, LOOKUP_FULL };
/* libcurl is about to look up the name of this transfer. */
enum lookup_verdict names_begin(struct fetch *);
/* The transfer has an address: at the next names_settle() those who wait for the name go on. */
void names_found(struct fetch *);
/* After libcurl's callbacks, in which no transfer may be begun. */
void names_settle(struct engine *);
/* libcurl stops watching fd, our end of the socket pair of the transfer's look-up. */
void names_keep_end(struct fetch *, int fd);
/* The transfer ends, with an address or without, or gives up waiting. Call after its handle has left the multi. */
void names_leave(struct fetch *, enum engine_outcome);
/* True when fd tells that an abandoned look-up has ended. */
bool names_event(struct engine *, int fd);
/* Forgets look-ups that were abandoned long ago. */
void names_sweep(struct engine *, int64_t now_ms);
void names_fini(struct engine *);

/* engine.c: begins it again, after waiting for a name or on a fresh connection. */
void engine_restart(struct fetch *);
/* engine.c: ends it with a failure of ours. */
void engine_fail(struct fetch *, enum engine_outcome, CURLcode, const char *why);

void goodbye_setup(void); /* once a process */
/* Notes from now on whether the transfer's TLS connection is ended in order. NULL: no TLS, not OpenSSL, or no memory. */
struct goodbye *goodbye_await(CURL *);
bool goodbye_missing(const struct goodbye *);
void goodbye_free(struct goodbye *); /* NULL is fine */

/* Makes and sets up f->easy. 0, or -1: memory. */
int transfer_begin(struct fetch *);
/* receive, send: which way may go on; the other stays as it is. */
void transfer_resume(struct fetch *, bool receive, bool send);
/* True when the request did not go out, or went out on kept connections alone, none of which brought a byte, and may be sent again. */
bool transfer_asks_again(struct fetch *, CURLcode);
/* Gives the connection back and ends the handle of one attempt. */
void transfer_drop_handle(struct fetch *);
/* Ends the handle and calls done(). */
enum engine_outcome transfer_end(struct fetch *, CURLcode);
void transfer_free(struct fetch *);

#endif
