/*
 * maintenance_struct: struct maintenance. Only maintenance.c and the chores see it.
 *
 * `config` does not change. Atomic members may be used by any thread. The mutex guards `stopping` and `kicked`. `ix`
 * and the members at the end belong to the maintenance thread.
 */
#ifndef CURLEW_STORE_MAINTENANCE_STRUCT_H
#define CURLEW_STORE_MAINTENANCE_STRUCT_H

#include "store/maintenance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct maintenance {
	struct maintenance_config at;
	struct index *ix;
	pthread_t thread;
	/* the limits of the configuration, which may change */
	_Atomic int64_t size_bytes, max_entries, min_free_bytes;
	_Atomic double min_free_percent;

	atomic_bool swept;
	atomic_bool full;       /* the log */
	atomic_bool is_short;   /* the disk, of what --min-free leaves */
	atomic_bool starved;    /* the disk, with nothing left to evict */
	atomic_bool away;       /* body/ */
	atomic_bool unwritten;  /* the last change of the index was not committed */
	atomic_llong reserved;  /* bytes of bodies in flight, written or to come */
	atomic_llong elsewhere; /* the same of other processes, as far as they are written, at the last look */
	atomic_bool careful;    /* the last eviction could not be committed */
	atomic_bool exhausted;  /* the last eviction left nothing that may go */
	atomic_llong stored;    /* bytes in the cache at the last look, and those stored since */
	atomic_bool evicting;
	atomic_int trash_asked;
	atomic_bool torn_stays; /* a row that must go could not be deleted in this sweep */

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stopping, kicked; /* guarded by mutex */

	/* only the maintenance thread */
	int64_t version, trash_after;
	bool trash_left;
	int outside;      /* the next directory to sweep for an earlier index's bodies; 256: done */
	int checkpointed; /* frames at the last complete checkpoint */
	time_t synced_at;
	char avoided[2048]; /* folders beneath body/ that cannot be written, as noted last */
	char reader[256];   /* who keeps the log from being emptied */
};

#endif
