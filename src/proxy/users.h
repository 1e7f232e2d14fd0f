/*
 * users: the users of the proxy (--users), and which credentials have been found right or wrong lately.
 *
 * A password takes tens of milliseconds to check, so each result is remembered for a while: under a hash of the
 * credentials with a random salt, never under the credentials themselves. A request with known credentials then costs a
 * look-up, on an event loop too. Checks run on the pool thread that asks, few at a time, and equal ones share one. A
 * flood of wrong passwords can hold neither all threads nor all cores. Any thread may call.
 */
#ifndef CURLEW_PROXY_USERS_H
#define CURLEW_PROXY_USERS_H

#include "base/buf.h"

#include <stdint.h>

struct users;

enum users_verdict {
	USERS_RIGHT,
	USERS_WRONG,    /* or no credentials at all */
	USERS_UNKNOWN,  /* users_find() only: they must be checked */
	USERS_TOO_MANY, /* too many checks are in progress: try again later */
};

/* NULL with a sentence in why: see htpasswd_read(). */
struct users *users_open(const char *path, struct buf *why);
/* Nobody may use it any more. NULL is fine. */
void users_free(struct users *);

/* credentials: the value of Proxy-Authorization; may be empty. *name: of the user, if they are right; it lives as long
 * as the struct. Looks only, and does not block. */
enum users_verdict users_find(struct users *, struct span credentials, const char **name);
/* The same, and checks what is not known. Blocks for as long as that takes. client: a number for the client's address;
 * one client cannot take all places. */
enum users_verdict users_check(struct users *, struct span credentials, uint64_t client, const char **name);

#endif
