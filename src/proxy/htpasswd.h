/*
 * htpasswd: a file of users and hashes of their passwords, as htpasswd(1) writes it: "name:hash", a line each.
 *
 * Only hashes that are slow to guess are accepted: bcrypt and SHA-512 (crypt(5)). Those that take seconds to check are
 * refused too, because each login would hold a core for so long. The file is read once and does not change afterwards;
 * any thread may check.
 */
#ifndef CURLEW_PROXY_HTPASSWD_H
#define CURLEW_PROXY_HTPASSWD_H

#include "base/buf.h"

struct htpasswd;

/* Reads a file. NULL with a sentence in why: it cannot be read, others may read or write it, or a line is wrong. */
struct htpasswd *htpasswd_read(const char *path, struct buf *why);
/* NULL is fine. */
void htpasswd_free(struct htpasswd *);

/* The name of the user, which lives as long as the struct; NULL: wrong. Takes tens of milliseconds and more, for an
 * unknown user as long as for a wrong password. */
const char *htpasswd_check(const struct htpasswd *, struct span user, struct span password);

#endif
