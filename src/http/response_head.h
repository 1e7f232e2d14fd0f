/*
 * response_head: the head of a response to a client, and its text. Pure. One head belongs to one thread.
 */
#ifndef CURLEW_HTTP_RESPONSE_HEAD_H
#define CURLEW_HTTP_RESPONSE_HEAD_H

#include "base/buf.h"
#include "http/message.h"

enum { RESPONSE_HEAD_STATUS = 512 }; /* bytes of the Cache-Status member of curlew */

struct response_head {
	int status;
	struct span fields; /* lines as stored: "Name: value\n" */
	bool reused;        /* it was made for another client: Set-Cookie in fields is left out */
	/* Send no Set-Cookie, and no Clear-Site-Data, which would delete the cookies of other sites. */
	bool no_cookies;
	/* The client knows this host as LABEL.localhost, and Set-Cookie is rewritten for it; or NULL. */
	const char *cookie_host;
	bool keeps_tags;      /* send Surrogate-Key, Cache-Tag and xkey too, which are for caches */
	bool encodes;         /* the body depends on Accept-Encoding, and Vary does not say so yet */
	bool sandbox;         /* a document that must not share its origin (browser.h) */
	struct span cookies;  /* Set-Cookie lines made for this client */
	const char *location; /* replaces Location, or NULL */
	struct span extra;    /* more lines, e.g. Content-Range */
	int64_t body_bytes;   /* -1: not known */
	bool no_body;         /* HEAD, 304: the length is sent without the body */
	int64_t age_s;        /* -1: no Age */
	bool close;           /* the connection ends after this response */
	const char *via;      /* our name; NULL: the response is made by curlew */
	const char *received; /* protocol version of the origin's response, for Via ("1.0"); NULL: 1.1 or unknown */
	char cache_status[RESPONSE_HEAD_STATUS]; /* the member of curlew: "curlew; hit; ttl=10"; '' for none */
};

/* Writes status line and fields, each line ended by CRLF, without framing, Connection and the empty line. */
void response_head_write(struct buf *out, const struct response_head *);
/* The items of a fresh hit. rule: the rule that made it fresh, or 0. Returns their length. */
enum { RESPONSE_HEAD_HIT = 96, RESPONSE_HEAD_HIT_LINES = 160 };
size_t response_head_hit(char out[RESPONSE_HEAD_HIT], int64_t ttl_s, int64_t rule);
/* Writes "Age: N" and "Cache-Status: ..." lines for it, exactly as response_head_write would. Returns how many bytes.
 */
size_t response_head_write_hit(char out[RESPONSE_HEAD_HIT_LINES], int64_t age_s, int64_t ttl_s, int64_t rule);
/* Appends "; item", formatted, to the Cache-Status member. */
void response_head_say(struct response_head *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends "; key=\"url\"", the key of the response (RFC 9211 2.7), if it fits. A fresh hit has none: there it would
 * tell nothing new. */
void response_head_key(struct response_head *, const char *url);
/* True for fields that frame a body. */
bool response_head_is_framing(struct span name);
/* True when a response of this status never has a body (RFC 9110 6.4.1). */
bool response_head_is_bodiless(int status);

#endif
