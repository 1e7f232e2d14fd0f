/*
 * store_struct: struct store. Only the files of this folder see it.
 *
 * store_open() makes all parts before another thread can see the store, and store_close() ends them after every other
 * thread has left it. In between the pointers do not change, and each part has its own locks. `bumps` is atomic.
 * `noted` belongs to the thread that opens and closes the store.
 */
#ifndef CURLEW_STORE_STORE_STRUCT_H
#define CURLEW_STORE_STORE_STRUCT_H

#include "body/bodies.h"
#include "body/disk.h"
#include "body/file_lock.h"
#include "index/index.h"
#include "index/reader_pool.h"
#include "index/writer.h"
#include "store/maintenance.h"
#include "store/ruleset.h"
#include "store/tombstones.h"
#include "store/unsynced.h"
#include "store/usage.h"

#include <pthread.h>
#include <stdatomic.h>

struct store {
	char *dir;
	int dir_fd;
	char boot[40];
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

#endif
