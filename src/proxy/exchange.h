/*
 * exchange: one request and its answer on their way through the rooms of serve. Belongs to the thread that answers.
 */
#ifndef CURLEW_PROXY_EXCHANGE_H
#define CURLEW_PROXY_EXCHANGE_H

#include "http/framing.h"
#include "http/key.h"
#include "http/message.h"
#include "http/range.h"
#include "http/request_directives.h"
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
	enum framing framing;
	int64_t length;            /* of the request body, with FRAMING_LENGTH */
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

#endif
