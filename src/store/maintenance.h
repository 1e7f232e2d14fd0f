/*
 * keep: the keeper's thread, which does what no request should wait for: it keeps the quota, empties the trash, sweeps
 * what dead processes left, checkpoints, gives free pages back, syncs and records the sync.
 *
 * It never writes to the index itself; it asks the writer and does not wait for it.
 */
#ifndef CURLEW_STORE_MAINTENANCE_H
#define CURLEW_STORE_MAINTENANCE_H

#include "body/bodies.h"
#include "body/file_lock.h"
#include "index/writer.h"
#include "store/unsynced.h"

struct maintenance;

struct maintenance_config {
	const char *dir;
	int dir_fd;
	const char *boot;
	bool alone;                      /* nobody else used the cache when it was opened */
	int64_t size_bytes, max_entries; /* 0: no such bound */
	int64_t min_free_bytes;          /* to be left on the disk; 0: by the next */
	double min_free_percent;         /* of the disk; 0: nothing need be left */
	struct file_lock *lock;
	struct writer *writer;
	struct bodies *bodies;
	struct unsynced *unsynced;
	void (*tick)(void *ctx, bool log_full); /* called twice a second on the keeper's thread; log_full: as
						   maintenance_log_full() */
	void *ctx;
};

/* Starts the thread. NULL with why. What the configuration points to must outlive it. */
struct maintenance *maintenance_start(const struct maintenance_config *, struct buf *why);
/* Ends the thread; what it has asked the writer to do may still be queued. */
void maintenance_stop(struct maintenance *);
/* After writer_stop(). */
void maintenance_free(struct maintenance *);

/* Bytes were stored: has a look at the quota when it may be exceeded. Any thread. */
void quota_stored(struct maintenance *, int64_t bytes);
/* Within the writer's transaction, before so many bytes are stored: evicts a few rows when they would exceed the quota,
 * so that storing pays for itself however fast it goes. Before and not behind it, because what comes must not count
 * among what may go. */
void quota_make_room(struct maintenance *, struct index *, int64_t bytes);
/* True once what dead processes left before the start has been looked for. Any thread. */
bool maintenance_swept(const struct maintenance *);
/* Why nothing may be stored at the moment, in words; NULL: it may. Any thread. */
const char *maintenance_forbidden(const struct maintenance *);
/* The same, or why nothing can be: the last write failed. Storing is then tried all the same, which is how the end of
 * that is found, but not promised to anybody. */
const char *maintenance_stopped(const struct maintenance *);
/* A change of the index was not committed. Any thread. */
void maintenance_failed(struct maintenance *);
/* As store_reserve() and store_release(). */
const char *quota_reserve(struct maintenance *, int64_t bytes);
void quota_release(struct maintenance *, int64_t bytes);
/* True while the disk has less free than --min-free leaves. Any thread. */
bool quota_short(const struct maintenance *);
/* True while nothing may be stored because a reader keeps the WAL from being emptied: then nothing is written that can
 * wait. Any thread. */
bool maintenance_log_full(const struct maintenance *);

#endif
