/*
 * loop_admit: what a loop checks before it responds on a connection whose conn->checks are not 0. Connections without
 * checks cost nothing here. All functions: the loop's thread.
 */
#ifndef CURLEW_SERVER_LOOP_ADMIT_H
#define CURLEW_SERVER_LOOP_ADMIT_H

#include "http/request_scan.h"
#include "server/loop_state.h"

/* True when a connection has to pass loop_admit() first. */
static inline bool loop_admit_is_due(const struct loop *l, const struct conn *c)
{
	return c->checks != 0 || c->options != l->options;
}

enum loop_admission {
	LOOP_ADMIT_YES,
	LOOP_ADMIT_MORE, /* the PROXY header is not complete: keep the bytes until more arrives */
	LOOP_ADMIT_NO    /* it was refused, and the caller does not own it any more */
};
/* Judges a connection that has sent *bytes, and takes a PROXY header off their front. */
enum loop_admission loop_admit(struct loop *, struct conn *, struct span *bytes);

/* A connection is closed because its PROXY header did not arrive in time: writes a line about it. */
void loop_admit_late(const struct conn *);

/* For connections with checks: see loop_admit_plain(). scan: NULL when the request is not plain. */
bool loop_admit_request(struct loop *, struct conn *, const struct request_scan *scan, struct span bytes);

/* True when the request that `bytes` begin with is plain, and the loop may respond to it. False: a pool thread must
 * judge the request. */
static inline bool loop_admit_plain(
    struct loop *l, struct conn *c, bool plain, const struct request_scan *scan, struct span bytes)
{
	return c->checks == 0 ? plain : loop_admit_request(l, c, plain ? scan : NULL, bytes);
}

#endif
