/*
 * allow: which addresses may be fetched from (--allow-to). Pure.
 *
 * Public addresses are always allowed; the others (loopback, private, link-local, shared, multicast, reserved, and IPv6
 * forms that carry such an IPv4 address) only when a rule names them. Judged on the resolved address at connect time,
 * so that no name, redirect or changing DNS answer gets around it.
 */
#ifndef CURLEW_FETCH_ALLOW_H
#define CURLEW_FETCH_ALLOW_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/socket.h>

struct allow;

struct allow *allow_new(void);
void allow_free(struct allow *);
/* Puts the rules of `fresh` in place of the present ones, which other threads may still use. Takes fresh. They hold for
 * connections made from now on. */
void allow_replace(struct allow *, struct allow *fresh);
/* Before other threads use it: adds the rules of a comma list: "loopback", "private", "10.1.2.0/24", "[fd00::]/8:443",
 * "127.0.0.1:8080". 0, or -1 with a sentence in why. */
int allow_add(struct allow *, const char *list, struct buf *why);
/* allow may be NULL: only public addresses. */
bool allow_judge(const struct allow *, const struct sockaddr *);

#endif
