/* store_private: struct store, for store.c, parts.c and watch.c. */
#ifndef CURLEW_STORE_STORE_PRIVATE_H
#define CURLEW_STORE_STORE_PRIVATE_H

#include "store/body_files.h"
#include "store/disk.h"
#include "store/gone.h"
#include "store/index.h"
#include "store/keep.h"
#include "store/lock.h"
#include "store/pool.h"
#include "store/rulebook.h"
#include "store/store.h"
#include "store/suspect.h"
#include "store/usage.h"
#include "store/writer.h"

#include <pthread.h>
#include <stdatomic.h>

struct store {
	char *dir;
	int dir_fd;
	char boot[40];
	int64_t size_bytes;
	struct lock *lock;
	struct writer *writer;
	struct usage *usage;
	struct bodies *bodies;
	struct suspects *suspects;
	struct pool *pool;
	struct rulebook *rulebook;
	struct disk *disk;
	struct keep *keep;

	bool noted; /* store_note_server() */
	atomic_llong bumps;
	struct gone *gone;
};

/* True while the rows of an invalidated URL wait for their deletion. */
bool store_is_gone(struct store *, const char *url);

#endif
