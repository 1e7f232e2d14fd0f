/*
 * loop_hit: a plain request answered from memory (proxy/ramcache.h), on the loop's thread, without blocking.
 *
 * Four conditions must hold: the entry is in memory, it is fresh now, Host names this server, and the index still says
 * what the entry says. Otherwise a pool thread responds, by the complete path.
 */
#ifndef CURLEW_SERVER_LOOP_HIT_H
#define CURLEW_SERVER_LOOP_HIT_H

#include "http/request_scan.h"
#include "server/loop_state.h"

enum loop_hit_outcome {
	LOOP_HIT_SENT,   /* the response was sent; the next request may follow */
	LOOP_HIT_LAST,   /* the response was sent; it is the last one of the connection, and says so */
	LOOP_HIT_NOT,    /* nothing was sent: a pool thread must respond */
	LOOP_HIT_PARTLY, /* the response was begun: a pool thread must send conn->rest */
	LOOP_HIT_GONE    /* the client is gone, or there is no memory: close the connection */
};

/* Responds to a plain request of a connection that the loop owns. bytes begin with its head, scan.bytes long. keeps:
 * the connection may carry another request after it. */
enum loop_hit_outcome loop_hit_respond(
    struct loop *, struct conn *, const struct request_scan *scan, struct span bytes, bool keeps);

/* Reports the hits since the last report to the store, which writes hits and last use into the rows. Once a second. */
void loop_hit_report(struct loop *);

#endif
