/*
 * rekeying: gives stored responses other URLs. Runs on connections of its own; a server may use the cache at the same
 * time. Any thread may call.
 *
 * `from` and `to` are URLs without a slash at the end: http://host or http://host/path. The rows concerned are those
 * whose URL begins with `from` and a slash. Each function returns 0, or -1 with why.
 */
#ifndef CURLEW_INDEX_REKEYING_H
#define CURLEW_INDEX_REKEYING_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* How many responses and parts there are. */
int rekeying_count(const char *dir, const char *from, int64_t *count, struct buf *why);
/* Replaces `from` by `to` in the URLs of all of them, in short transactions. If a response is stored under the new URL
 * already, the one that was fetched later stays. *changed: rows that have a new URL. May be called again after an
 * interruption. progress may be NULL. */
int rekeying_rows(const char *dir, const char *from, const char *to,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why);
/* Replaces how the cache was filled (setting `mode`), if it was `was` and no row of `from` is left. *changed: 1 or 0.
 */
int rekeying_mode(
    const char *dir, const char *from, const char *was, const char *mode, int64_t *changed, struct buf *why);

#endif
