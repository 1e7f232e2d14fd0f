/* engine_internal: what engine.c (the thread), engine_transfer.c (one transfer), engine_tls.c and engine_tunnel.c share, and nobody else sees. */
#ifndef CURLEW_FETCH_ENGINE_INTERNAL_H
#define CURLEW_FETCH_ENGINE_INTERNAL_H

#include "fetch/engine.h"
#include "http/chunked.h"
#include "http/message.h"

#include <curl/curl.h>
#include <pthread.h>

enum { ENGINE_IDLE_HANDLES = 256 };

/* Asked of a fetch by other threads; a set of these waits in fetch->wishes for the engine's thread. */
enum { WISH_START = 1, WISH_RECEIVE = 2, WISH_SEND = 4, WISH_CANCEL = 8 };

struct fetch {
	struct engine *engine;
	const struct fetch_ops *ops;
	void *ctx;
	char *method, *url;
	int64_t upload_bytes;
	bool trusted, idempotent;
	struct curl_slist *fields;

	/* the engine's thread only */
	CURL *easy;
	struct head parsed;
	struct buf head;     /* field lines of the head being received */
	struct buf trailers; /* HTTP/2 trailer lines; HTTP/1 ones are in chunks.trailers */
	struct chunked chunks;
	int status, minor;
	bool head_done, dechunk, dechunked;
	int64_t left; /* bytes the head promised and that have not come; -1: it promised no number */
	struct goodbye *goodbye; /* where only the end of TLS tells a whole body; else NULL */
	bool receive_paused, send_paused;
	enum engine_outcome failed; /* what our own callbacks decided, or ENGINE_OK */
	const char *failed_why;
	int64_t deadline_ms; /* monotonic; INT64_MAX while we are the slow ones */
	bool active;
	struct fetch *next, **link; /* in engine->active */
	char error[CURL_ERROR_SIZE];

	/* under engine->lock */
	unsigned wishes;
	struct fetch *wished_next;
	bool wished;
};

struct engine {
	struct engine_config config;
	char *proxy, *cacert;
	pthread_t thread;
	int epoll_fd, wake_fd;

	CURLM *multi;
	int64_t timer_ms; /* when libcurl wants to be called; INT64_MAX: not */
	struct fetch *active;
	CURL *idle[ENGINE_IDLE_HANDLES];
	size_t idle_count;

	pthread_mutex_t lock; /* below it: only a list is touched, never waits */
	struct fetch *wished_first, **wished_last;
	bool ending;
};

void engine_global_init(void); /* once a process */
/* Settings every easy handle of ours shares: protocols, trust, proxy, the address check. */
void engine_prepare(struct engine *, CURL *, void *opensocket_ctx, curl_opensocket_callback);
enum engine_outcome engine_outcome_of(CURLcode, bool head_done);
/* socket() unless the address is not allowed, which is noted in *not_allowed. */
curl_socket_t engine_open_socket(
    const struct engine *, bool trusted, const struct curl_sockaddr *, bool *not_allowed);

void goodbye_setup(void); /* once a process */
/* Notes from now on whether the transfer's TLS connection is ended in order. NULL: no TLS, not OpenSSL, or no memory. */
struct goodbye *goodbye_await(CURL *);
bool goodbye_missing(const struct goodbye *);
void goodbye_free(struct goodbye *); /* NULL is fine */

/* Sets up f->easy (taken from the idle ones or made). 0, or -1: memory. */
int transfer_begin(struct fetch *);
/* receive, send: which way may go on; the other stays as it is. */
void transfer_resume(struct fetch *, bool receive, bool send);
/* Calls done(); the easy handle has left the multi. */
void transfer_end(struct fetch *, CURLcode);
void transfer_free(struct fetch *);

#endif
