/*
 * maintenance: the thread that does what no request should wait for. It keeps the quota, empties the trash, sweeps what
 * dead processes left, makes checkpoints, returns free pages, syncs, and records the sync.
 *
 * It never writes to the index itself; it queues operations with the writer and does not wait for them.
 */
#ifndef CURLEW_STORE_MAINTENANCE_H
#define CURLEW_STORE_MAINTENANCE_H

#include "base/buf.h"
#include "body/bodies.h"
#include "body/file_lock.h"
#include "index/writer.h"
#include "store/unsynced.h"

#include "store/store_limits.h"

#include <stdbool.h>
#include <stdint.h>

struct maintenance;

struct maintenance_config {
	const char *dir;
	int dir_fd;
	const char *boot;
	bool alone; /* no other process used the cache when it was opened */
	struct store_limits limits;
	struct file_lock *lock;
	struct writer *writer;
	struct bodies *bodies;
	struct unsynced *unsynced;
	/* Called twice a second on the maintenance thread. log_full: as maintenance_log_full(). */
	void (*tick)(void *ctx, bool log_full);
	void *ctx;
};

/* Starts the thread. What the configuration points to must outlive it. NULL with why. */
struct maintenance *maintenance_start(const struct maintenance_config *, struct buf *why);
/* The limits that hold from now on. Any thread. */
void maintenance_set_limits(struct maintenance *, const struct store_limits *);
int64_t maintenance_size_bytes(const struct maintenance *);
/* Ends the thread. Its operations may still be in the writer's queue. */
void maintenance_stop(struct maintenance *);
/* After writer_stop(). NULL is fine. */
void maintenance_free(struct maintenance *);

/* Has everything been swept that dead processes left before the start? Any thread. */
bool maintenance_swept(const struct maintenance *);

#endif
