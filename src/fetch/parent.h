/*
 * parent: another curlew that is asked for what is not stored here (--parent). It is asked in absolute form, for https
 * too, so that it can store the response; a proxy of --proxy would only tunnel that.
 *
 * A parent that cannot be reached is left out for PARENT_PAUSE_MS, and origins are asked themselves. Any thread may
 * call; all engines of a process share one parent.
 */
#ifndef CURLEW_FETCH_PARENT_H
#define CURLEW_FETCH_PARENT_H

#include <stdbool.h>
#include <stdint.h>

struct parent;

enum { PARENT_PAUSE_MS = 10000 };

/* Reads the value of --parent. NULL, with a sentence (a constant) in *why. */
struct parent *parent_new(const char *url, const char **why);
void parent_free(struct parent *);

/* "http://HOST:PORT/" */
const char *parent_url(const struct parent *);
/* False while it is left out. now_ms is monotonic. */
bool parent_is_up(const struct parent *, int64_t now_ms);
/* It could not be reached, or did not respond. why: for the log. */
void parent_failed(struct parent *, int64_t now_ms, const char *why);

#endif
