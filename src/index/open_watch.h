/*
 * open_watch: has another process just opened index.db?
 *
 * A shell needs about a millisecond from opening the index to the first lock, and without .timeout it tries only once.
 * A process that writes much can yield to it in that time.
 *
 * A watch is a descriptor of inotify(7), or -1 where there is none: then no opening is noticed. One thread uses a
 * watch.
 */
#ifndef CURLEW_INDEX_OPEN_WATCH_H
#define CURLEW_INDEX_OPEN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* A watch, for open_watch_end(). From now on, every opening of dir/index.db is noticed, also by this process. */
int open_watch_begin(const char *dir);
void open_watch_end(int watch);

/* Was the index opened since the last open_watch_let_pass()? The cost is a system call of about 0.15 µs. */
bool open_watch_came(int watch);
/* Yields to a process that has opened the index. Call it without a lock of SQLite. It calls pause() for a
 * millisecond (us) at a time, until that process has closed the index or has had it open for ten, which a shell on a
 * busy machine may need; for fifty at most, and not at all when nobody came. */
void open_watch_let_pass(int watch, void (*pause)(void *ctx, int64_t us), void *ctx);

#endif
