/*
 * lock: who else is using this cache directory? Byte locks on $CACHE/lock answer.
 *
 * The locks are OFD locks: they belong to the open file, so they end with the process however it ends, they work across
 * pid namespaces and containers that share the directory, and two stores in one process see each other. The file has no
 * content. Every function may be called by any thread.
 */
#ifndef CURLEW_BODY_FILE_LOCK_H
#define CURLEW_BODY_FILE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct file_lock;

/* Opens (or makes) the file in the directory. NULL with errno. */
struct file_lock *file_lock_open(int dir_fd);
/* The same for one who changes nothing: also where the file cannot be made or written, and nobody has made it: there
 * nobody lives and nobody reclaims. NULL with errno. */
struct file_lock *file_lock_open_to_read(int dir_fd);
void file_lock_close(struct file_lock *);

/* Setting up: one process at a time looks at the index and makes it. Waits up to ten seconds. 0, or -1 with errno. */
int file_lock_setup_begin(struct file_lock *);
void file_lock_setup_end(struct file_lock *);

/* Joins those who use the cache, until file_lock_close(). True when there was nobody else. Only while setting up. */
bool file_lock_join(struct file_lock *);

/* This store's number among the living: random, never 0, held until file_lock_close(). */
int64_t file_lock_owner(const struct file_lock *);
/* Does a store with that number live? When in doubt, yes. */
bool file_lock_alive(struct file_lock *, int64_t owner);

/* Reclaiming body files: one process at a time, and none while a backup is made. False: not now. */
bool file_lock_reclaim_begin(struct file_lock *);
void file_lock_reclaim_end(struct file_lock *);

#endif
