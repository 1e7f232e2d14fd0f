/*
 * file_lock: which other processes use this cache directory? Byte-range locks on $CACHE/lock tell.
 *
 * They are OFD locks, which belong to the open file. So they end with the process, however it ends. They work across
 * pid namespaces and containers that share the directory, and two stores in one process see each other. The file is
 * empty. Any thread may call any function.
 */
#ifndef CURLEW_BODY_FILE_LOCK_H
#define CURLEW_BODY_FILE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct file_lock;

/* Opens the file in the directory, and makes it if it is missing. NULL with errno. */
struct file_lock *file_lock_open(int dir_fd);
/* The same for a process that changes nothing. Where the file does not exist and cannot be made, no process lives
 * and none reclaims. NULL with errno. */
struct file_lock *file_lock_open_to_read(int dir_fd);
void file_lock_close(struct file_lock *);

/* Setting up: one process at a time looks at the index and makes it. Waits for up to ten seconds. 0, or -1 with
 * errno. */
int file_lock_setup_begin(struct file_lock *);
void file_lock_setup_end(struct file_lock *);

/* Joins the users of the cache, until file_lock_close(). True: there was no other user. Only while setting up. */
bool file_lock_join(struct file_lock *);

/* The number of this store: random, never 0, held until file_lock_close(). */
int64_t file_lock_owner(const struct file_lock *);
/* Does a store with that number live? Yes, too, when that cannot be found out. */
bool file_lock_alive(struct file_lock *, int64_t owner);

/* Reclaiming body files: one process at a time, and none during a backup. False: not now. */
bool file_lock_reclaim_begin(struct file_lock *);
void file_lock_reclaim_end(struct file_lock *);

#endif
