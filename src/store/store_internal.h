/* store_private: struct store, for store.c, parts.c and change_counter.c. */
#ifndef CURLEW_STORE_STORE_INTERNAL_H
#define CURLEW_STORE_STORE_INTERNAL_H

#include "body/bodies.h"
#include "body/disk.h"
#include "body/file_lock.h"
#include "index/index.h"
#include "index/reader_pool.h"
#include "index/writer.h"
#include "store/maintenance.h"
#include "store/ruleset.h"
#include "store/store.h"
#include "store/tombstones.h"
#include "store/unsynced.h"
#include "store/usage.h"

#include <pthread.h>
#include <stdatomic.h>

struct store {
	char *dir;
	int dir_fd;
	char boot[40];
	int64_t size_bytes;
	struct file_lock *lock;
	struct writer *writer;
	struct usage *usage;
	struct bodies *bodies;
	struct unsynced *unsynced;
	struct reader_pool *pool;
	struct ruleset *ruleset;
	struct disk *disk;
	struct maintenance *maintenance;

	bool noted; /* store_note_server() */
	atomic_llong bumps;
	struct tombstones *tombstones;
};

/* True while the rows of an invalidated URL wait for their deletion. */
bool store_has_tombstone(struct store *, const char *url);

#endif
