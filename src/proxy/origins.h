/* origins: the values of --origin: one URL, or named sites. */
#ifndef CURLEW_PROXY_ORIGINS_H
#define CURLEW_PROXY_ORIGINS_H

#include "base/buf.h"
#include "base/conf.h"

struct named_sites;

/* *plain: the one URL, normalised, without a slash at the end; else NULL. *sites: the named sites; else NULL. Both are
 * the caller's. 0, or -1 with a sentence in why. */
int origins_read(const struct conf *, char **plain, struct named_sites **sites, struct buf *why);
/* Puts the named sites of another conf in place of the present ones. Sites can change while the server runs; whether
 * there are named sites, and a URL without a name, cannot: then nothing changes, which is reported. 0, or -1 with a
 * sentence in why. */
int origins_replace(const struct conf *, const char *plain, struct named_sites *sites, struct buf *why);
/* After the cache in dir was refused for these sites: if it was filled with --origin URL, adds the command that
 * converts it. mode: how it would have been used (store_config). */
void origins_add_rekey(const struct named_sites *, const char *dir, const char *mode, struct buf *why);

#endif
