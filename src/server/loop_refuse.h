/*
 * loop_refuse: responses that a loop sends itself, because no thread is free or none should be spent on the client.
 * They end the connection.
 */
#ifndef CURLEW_SERVER_LOOP_REFUSE_H
#define CURLEW_SERVER_LOOP_REFUSE_H

#include "server/loop_state.h"

struct loop_refusal {
	int status;
	const char *text;   /* of the body: one line of at most 200 bytes */
	const char *detail; /* of Cache-Status; NULL: none */
	int retry_after_s;  /* 0: no Retry-After */
};

/* Sends the response to the request that `bytes` begins with, and logs it if its head is complete. Does not block: what
 * the socket does not accept at once is lost with the connection, which the caller ends. */
void loop_refuse_send(const struct conn *, struct span bytes, const struct loop_refusal *);

/* Sends the response, counts it and ends the connection. bytes: what the client has sent. The loop's thread. */
void loop_refuse(struct loop *, struct conn *, struct span bytes, const struct loop_refusal *);

#endif
