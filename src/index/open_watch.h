/*
 * visitors: has another process just opened index.db? A shell needs about a millisecond from there to the first lock it
 * asks for, and without .timeout it asks only once: whoever writes much can be out of its way by then.
 *
 * A watch is a descriptor of inotify(7), or -1 where none could be had: then nobody ever comes.
 */
#ifndef CURLEW_INDEX_OPEN_WATCH_H
#define CURLEW_INDEX_OPEN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* The watch, for open_watch_end(). From here on every opening of dir/index.db is noticed, our own too. */
int open_watch_begin(const char *dir);
void open_watch_end(int watch);

/* Is there news since the last open_watch_let_pass()? A system call, of some 0.15 µs. */
bool open_watch_came(int watch);
/* To be called without SQLite's lock. Has pause() sleep, a millisecond (us) at a time, until who came has closed the
 * index again or has been there for ten, which a shell on a busy machine may need; not at all when nobody came, and
 * never for more than fifty. */
void open_watch_let_pass(int watch, void (*pause)(void *ctx, int64_t us), void *ctx);

#endif
