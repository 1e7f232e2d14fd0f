/*
 * forward: requests to the origin, and its responses to the client.
 *
 * Requests that a cache cannot answer pass through forward_respond(). The cache handler and the range handler use the
 * steps one by one. All functions may block: they run on the thread that responds.
 */
#ifndef CURLEW_PROXY_FORWARD_H
#define CURLEW_PROXY_FORWARD_H

#include "proxy/exchange.h"

enum forward_conditions {
	FORWARD_CLIENTS, /* the client's own conditions and ranges are sent */
	FORWARD_NONE,    /* no conditions: a complete response is wanted, for the store */
	FORWARD_STORED   /* the validators of stored responses instead of the client's conditions */
};

/* Forwards the request and sends the origin's response to the client. */
void forward_respond(struct exchange *);

/* Writes the field lines of the request to the origin (RFC 9110 7.6). stored, with FORWARD_STORED: the response to
 * validate, or all stored variants. 0, or -1: out of memory. */
int forward_fields(const struct exchange *, enum forward_conditions, const struct index_rows *stored, struct buf *out);

/* Waits for the final response head. Interim responses (1xx) are sent to the client meanwhile. */
enum flight_wait_result forward_wait(struct exchange *, struct flight_reader *, struct flight_response *);

/* Sends the head of an origin's response to the client; its body is the caller's to send. What the sink returns. */
int forward_begin(struct exchange *, const struct flight_response *, const char *cache);

/* Sends a reader's response to the client: head, body and trailers. The reader stays the caller's. */
void forward_stream(struct exchange *, struct flight_reader *, const struct flight_response *, const char *cache);

/* Sends the body only, from the reader's position; the head has been sent. known: the length of the response is known.
 * bytes: how many bytes to send; -1: all. */
void forward_body(struct exchange *, struct flight_reader *, bool known, int64_t bytes);

#endif
