/*
 * exchange: one request and its answer on their way through the rooms of serve. Belongs to the thread that answers.
 */
#ifndef CURLEW_PROXY_EXCHANGE_H
#define CURLEW_PROXY_EXCHANGE_H

#include "http/key.h"
#include "http/message.h"
#include "http/policy.h"
#include "http/range.h"
#include "proxy/context.h"
#include "proxy/sink.h"

struct request_body;

struct exchange {
	const struct context *context;
	const struct head *request;
	struct key_target target;
	struct sink *sink;
	const struct store_rules *rules; /* that hold for this request; from dispatch_route() on */
	struct rule_decision decision;   /* what they say of target.url */
	char *fetch_url; /* asked of the origin where target.url, the key, leaves query parameters out; else NULL */
	char *site_origin, *site_referer; /* browser.c: what these two request fields say to the real site, or NULL */
	int64_t key_rule;                 /* the rule that left them out */
	struct request_directives demand; /* cache_handler.c */
	enum message_framing framing;
	int64_t length;            /* of the request body, with MESSAGE_LENGTH */
	struct request_body *body; /* NULL in `get` */
	int bad_body;              /* 400 or 408: why the request body was no good; 0: it was, so far */
	bool admin;                /* it came by --admin-listen */
	int64_t now;               /* Unix seconds at its beginning */

	/* the outcome */
	int status;
	const char *verdict;         /* for the access log: hit, miss, ... */
	bool close;                  /* the connection is of no use after it */
	enum engine_outcome outcome; /* of a failed fetch, for `get` */
	int curl_code;
	struct entry *ramcache; /* a plain fresh hit that may be kept ready; taken by dispatch.c. NULL otherwise */
};

/* --- synthetic.c: answers of our own making --- */

/* A one-line text answer. cache: our Cache-Status member's items, or NULL. Returns what the sink returns. */
int synthetic_text(struct exchange *, int status, const char *cache, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with a page of another type. */
int synthetic_page(struct exchange *, int status, const char *type, struct span page);
/* OPTIONS *: which methods this server takes (RFC 9110 9.3.7). */
int synthetic_options(struct exchange *);
/* A rule keeps this URL off the network. */
int synthetic_offline(struct exchange *);
/* What a failed fetch is to the client: 502, 503, 504 or 403, and why. */
int synthetic_failure(struct exchange *, const struct flight_response *, const char *cache);

/* --- deliver.c: a complete representation at hand --- */

struct representation {
	int status;
	struct span fields; /* as stored */
	int64_t bytes;
	int fd;                            /* of the body, or -1 when it has none */
	const struct partial_body *pieces; /* instead of fd: what of the body is stored in parts; or NULL */
	bool reused;         /* another client's request produced it: Set-Cookie is left out unless it may be shared */
	struct span cookies; /* Set-Cookie lines that came for this client */
	int64_t age_s;       /* -1: it is local, not cached */
	const char *cache;   /* Cache-Status items, or NULL */
};
/* Answers GET or HEAD from it: conditions (RFC 9110 13), ranges (14), the body. */
int deliver(struct exchange *, const struct representation *);
/* Sends bytes of its body. What the sink returns. */
int deliver_bytes(struct exchange *, const struct representation *, int64_t at, int64_t n);
/* parts.c: several ranges of it as multipart/byteranges; r is the reply begun for it, type its Content-Type ({NULL, 0}:
 * none). */
int multipart_deliver(struct exchange *, const struct representation *, struct response_head *r, struct span type,
    const struct range *ranges, size_t count);
/* True when this client may not have the Set-Cookie of a response that another client's request produced. */
bool deliver_withholds_cookies(const struct exchange *);
/* What Location should say to this client, or NULL to leave it; the caller's to free. */
char *deliver_location(const struct exchange *, int status, struct span fields);

/* --- the rooms that answer --- */

void cache_handler_answer(struct exchange *); /* GET and HEAD through the cache */
void forward_answer(struct exchange *);       /* everything else, to the origin and back */
bool files_answer(struct exchange *);         /* from --root; false: there is no such file */
void pages_answer(struct exchange *);         /* /.curlew/ */
/* CONNECT; early: bytes sent after the head. Returns how many bytes of the tunnel the client got. */
int64_t tunnel_answer(struct exchange *, int client_fd, struct span early);

/* --- forward.c, for cache_handler.c --- */

enum forward_conditions {
	FORWARD_CLIENTS, /* the client's own conditions and ranges go along */
	FORWARD_NONE,    /* a whole answer is wanted, for the store */
	FORWARD_STORED   /* the validators of what is stored instead */
};
/* The field lines to send to the origin for this request (RFC 9110 7.6); stored, with FORWARD_STORED: the response to
 * validate, or the variants of which one may do. 0, or -1. */
int forward_fields(const struct exchange *, enum forward_conditions, const struct index_rows *stored, struct buf *out);
/* Passes a reader's answer on to the client: head, body, trailers. */
void forward_stream(struct exchange *, struct flight_reader *, const struct flight_response *, const char *cache);
/* The same as the sink takes it: a limit of bytes, or -1, from where the reader stands. known: the length of the body
 * is known. */
void forward_body(struct exchange *, struct flight_reader *, bool known, int64_t bytes);
/* Waits for a final head, passing interim ones on. */
enum flight_wait_result forward_wait(struct exchange *, struct flight_reader *, struct flight_response *);

/* --- range_handler.c, for cache_handler.c: ranges of what is not stored whole --- */

/* The stored parts a request could use; of NULL: none. */
void range_handler_find(struct exchange *, struct index_parts *);
/* Answers from them when they are fresh and hold all that is asked. */
bool range_handler_answer(struct exchange *, const struct index_parts *);
/* A Range of a body that is not stored: true when the whole should be fetched and the range cut from it as it arrives,
 * false when the origin should be asked for the range alone: it lies far ahead, or nobody knows where. */
bool range_handler_wants_whole(const struct exchange *);
/* Cuts the range out of a whole answer under way. True when the client has its answer; the reader stays the caller's.
 */
bool range_handler_stream(struct exchange *, struct flight_reader *, const struct flight_response *, const char *cache);

#endif
