/*
 * exchange: one request and its response, as the handlers pass it from one to the next.
 *
 * It belongs to the thread that serves the request. One member is shared: while a request body is relayed, a second
 * thread reads `body` and sets `bad_body` (body_relay.h).
 */
#ifndef CURLEW_PROXY_EXCHANGE_H
#define CURLEW_PROXY_EXCHANGE_H

#include "http/framing.h"
#include "http/key.h"
#include "http/message.h"
#include "http/range.h"
#include "http/request_directives.h"
#include "proxy/client.h"
#include "proxy/context.h"
#include "proxy/sink.h"

struct cache_attempt;
struct flight_engine;
struct request_body;
struct named_site;

/* How far an exchange has come. Where the thread may block, it is never left in another state than the first. */
enum exchange_state {
	EXCHANGE_OVER,    /* the response has been sent */
	EXCHANGE_WAITS,   /* it leads a fetch, whose response has not come */
	EXCHANGE_PLANNED, /* the plan is made; a thread that may block must act on it */
	EXCHANGE_UNSERVED /* nothing was done; a thread that may block must begin again */
};

/* What an event loop gives an exchange, which must not block there. */
struct exchange_loop {
	struct flight_engine *engine; /* the loop's own */
	void (*notify)(void *conn);   /* flight_ask.notify */
	int64_t rules;                /* the generation of the rules, read since the request arrived */
};

struct exchange {
	/* the request */
	const struct context *context;
	const struct options *options; /* those that held when it began */
	const struct head *request;    /* NULL: the head was malformed */
	struct client_limit *limit;    /* of the client; NULL: none */
	const char *user;              /* of --users, for the log; NULL: none */
	struct client client;          /* who sent it; of a malformed head, all zeros */
	struct key_target target;      /* target.url is the key of the cache, from dispatch_route() on */
	const struct named_site *site; /* with --origin NAME=URL: whose URL it is */
	struct span site_host;         /* what named it, as written; empty if that is the target itself */
	char *site_why;                /* why there is none; or NULL */
	bool secure;                   /* the client used TLS, or a trusted front says so */
	struct sink *sink;             /* receives the response */
	enum framing framing;
	int64_t length;                   /* of the request body, with FRAMING_LENGTH */
	struct request_body *body;        /* NULL in `get` */
	int bad_body;                     /* 400 or 408: what is wrong with the request body; 0: nothing so far */
	bool admin;                       /* it arrived at --admin-listen */
	int64_t now;                      /* Unix seconds when it began */
	const struct exchange_loop *loop; /* NULL: this thread may block */
	enum exchange_state state;
	struct cache_attempt *attempt; /* memory for the cache handler, as long as the exchange lives */

	/* set by dispatch_route() */
	const struct store_rules *rules; /* the rules that hold for this request */
	struct rule_decision decision;   /* what they decide for target.url */
	char *fetch_url;  /* what to request from the origin, if the key leaves out query parameters; else NULL */
	int64_t key_rule; /* the rule that leaves them out */

	/* set by origin_fields_rewrite(); each may be NULL */
	char *forwarded;       /* values of fields of the changed head */
	char *destination;     /* Destination, as the origin gets it */
	char *destination_key; /* the key of what it names */

	/* set by browser_rewrite(): the values of these two fields for the real site, or NULL */
	char *site_origin, *site_referer;

	/* set by the cache handler */
	struct request_directives demand;

	/* the outcome */
	int status;
	int retry_after_s;           /* of a response that curlew makes itself; 0: what the status suggests */
	const char *verdict;         /* for the access log: hit, miss, ... */
	bool close;                  /* the connection cannot be used again */
	int64_t tunnel_bytes;        /* that the client received through a tunnel, after the head */
	enum engine_outcome outcome; /* of a failed fetch, for `get` */
	int curl_code;
	struct entry *ramcache; /* a plain fresh hit that may be kept in memory, for dispatch.c to take; else NULL
				 */
};

#endif
