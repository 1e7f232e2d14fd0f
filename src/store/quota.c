/*
 * Each row that is stored above --size or --max-entries evicts up to four rows (quota_make_room). The rest, and what
 * --min-free demands, goes in evictions of at most 100 rows, one at a time in the writer's queue. index_evict() chooses
 * the rows.
 *
 * Bodies in flight count before they have rows. Their length is reserved when it becomes known, or as they grow
 * (quota_reserve). Rows are evicted for it at once. A body that would not fit even if all evictable rows went is not
 * stored. Bodies of other processes are known by their files in spool/.
 */
#include "store/quota.h"

#include "base/log.h"
#include "base/stats.h"
#include "body/body.h"
#include "body/folders.h"
#include "index/ballast.h"
#include "index/counters.h"
#include "index/evict.h"
#include "store/maintenance_state.h"
#include "store/maintenance_struct.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define EVICT_ROWS 100
/* After an eviction that could not be committed: the disk may have no room for more. */
#define EVICT_ROWS_CAREFULLY 10
#define EVICT_FOR_ONE 4
#define LOOK_BYTES (64 << 10) /* smaller bodies do not look at the disk; maintenance looks twice a second */

struct eviction {
	struct writer_op op;
	struct maintenance *maintenance;
	int64_t size_bytes; /* bytes that all bodies may take now */
	int rows, evicted;
	bool over;
};

static int eviction_run(struct writer_op *op, struct index *ix)
{
	struct eviction *e = (struct eviction *)op;
	e->evicted = index_evict(ix, e->size_bytes, e->maintenance->max_entries, e->rows, &e->over);
	return e->evicted < 0 ? -1 : 0;
}

static void eviction_done(struct writer_op *op, bool committed)
{
	struct eviction *e = (struct eviction *)op;
	struct maintenance *k = e->maintenance;
	if (committed) {
		stats_add(STATS_EVICTED, e->evicted);
		atomic_store(&k->exhausted, e->over && e->evicted < e->rows);
		if (e->over && e->evicted < e->rows)
			log_trouble("quota",
			    "%s: pinned entries and bodies in flight exceed --size, --max-entries or --min-free (unpin "
			    "some entries, or allow more)",
			    k->at.dir);
	}
	atomic_store(&k->careful, !committed);
	bool again = committed ? e->over && e->evicted == e->rows : ballast_drop(k->at.dir_fd);
	atomic_store(&k->evicting, false);
	free(e);
	if (again)
		maintenance_kick(k);
}

/* How much --min-free demands to be free, and how much is free. 0: nothing is demanded, or the disk cannot be
 * examined. If bodies are on a disk of their own, that disk counts. */
static int64_t wanted_free(const struct maintenance *k, int64_t *free_bytes)
{
	struct statvfs disk;
	if (k->min_free_bytes <= 0 && k->min_free_percent <= 0)
		return 0;
	int fd = bodies_open_disk(k->at.bodies);
	int rc = fstatvfs(fd >= 0 ? fd : k->at.dir_fd, &disk);
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		return 0;
	int64_t all = (int64_t)(disk.f_blocks * disk.f_frsize);
	*free_bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
	return k->min_free_bytes > 0 ? k->min_free_bytes : (int64_t)((double)all / 100 * k->min_free_percent);
}

/* Bytes of bodies in flight that are not on the disk yet. */
static int64_t still_to_come(const struct maintenance *k)
{
	int64_t n = atomic_load(&k->reserved) - bodies_in_flight(k->at.bodies);
	return n > 0 ? n : 0;
}

static int64_t in_flight(const struct maintenance *k)
{
	return atomic_load(&k->reserved) + atomic_load(&k->elsewhere);
}

/* Does everything in flight fit after all evictions that are possible? NULL: yes. Else why not. *evict: something
 * must be evicted. */
static const char *judge_room(const struct maintenance *k, bool look, bool *evict)
{
	int64_t size = k->size_bytes, stored = atomic_load(&k->stored), flying = in_flight(k), free_bytes = 0;
	bool exhausted = atomic_load(&k->exhausted);
	*evict = size > 0 && stored + flying > size;
	if (size > 0 && flying > size)
		return "bodies in flight take all that --size allows";
	if (*evict && exhausted)
		return "pinned entries and bodies in flight take all that --size allows";
	int64_t wanted = look ? wanted_free(k, &free_bytes) : 0, left = free_bytes - still_to_come(k) - wanted;
	if (wanted == 0 || left >= 0)
		return NULL;
	*evict = true;
	if (left + (exhausted ? 0 : stored) < 0)
		return "the disk would have less free space than --min-free demands";
	/* Evictions take time, and a fast origin must not fill the disk in the meantime. */
	return free_bytes < wanted / 2 ? "the disk has much less free space than --min-free demands" : NULL;
}

const char *quota_reserve(struct maintenance *k, int64_t bytes)
{
	bool evict = false;
	const char *why = maintenance_forbidden(k);
	if (why != NULL)
		return why;
	atomic_fetch_add(&k->reserved, bytes); /* first, so that two threads at the same time see each other */
	why = judge_room(k, bytes >= LOOK_BYTES, &evict);
	if (why != NULL)
		quota_release(k, bytes);
	if (evict && bytes >= LOOK_BYTES && !atomic_load(&k->evicting)) /* small bodies evict when they are stored
									   (quota_make_room) */
		maintenance_kick(k);
	return why;
}

void quota_release(struct maintenance *k, int64_t bytes)
{
	atomic_fetch_sub(&k->reserved, bytes);
}

/* How many bytes all bodies may take now: --size, and less while the disk is short. The files of evicted rows stay
 * on the disk while they are in the trash, so until it is empty nothing more is evicted for the disk. When nothing
 * is left to evict, nothing more is stored. */
static int64_t allowed_bytes(struct maintenance *k, int64_t bytes)
{
	int64_t size = k->size_bytes, flying = in_flight(k), free_bytes = 0;
	if (size > 0) /* bodies in flight count */
		size = size > flying ? size - flying : 1;
	if (k->trash_left)
		return size;
	int64_t wanted = wanted_free(k, &free_bytes), short_of = wanted > free_bytes ? wanted - free_bytes : 0;
	bool starved = short_of > 0 && (bytes == 0 || atomic_load(&k->exhausted));
	atomic_store(&k->is_short, short_of > 0);
	atomic_store(&k->starved, starved);
	if (starved)
		log_trouble("starved",
		    "%s: its disk has %.1f MiB less free than --min-free demands, and nothing is left to evict "
		    "(responses are not stored until there is room; or set --min-free lower)",
		    k->at.dir, (double)short_of / (1 << 20));
	else if (short_of > 0)
		log_trouble("min-free",
		    "%s: its disk has %.1f MiB free, %.1f MiB less than --min-free demands (evicting; responses are "
		    "still served)",
		    k->at.dir, (double)free_bytes / (1 << 20), (double)short_of / (1 << 20));
	int64_t too_much = wanted > 0 ? wanted + still_to_come(k) - free_bytes : 0; /* the rest of the bodies in flight
										       needs room, too */
	if (too_much <= 0)
		return size;
	int64_t less = bytes > too_much ? bytes - too_much : 1;
	return size > 0 && size < less ? size : less;
}

bool quota_short(const struct maintenance *k)
{
	return atomic_load(&k->is_short);
}

void quota_keep(struct maintenance *k)
{
	struct index_totals t;
	if (atomic_load(&k->evicting) || index_totals(k->ix, &t) < 0)
		return;
	atomic_store(&k->stored, t.bytes);
	int64_t size = allowed_bytes(k, t.bytes);
	bool over = (size > 0 && t.bytes > size) || (k->max_entries > 0 && t.entries > k->max_entries);
	if (!over)
		atomic_store(&k->exhausted, false);
	struct eviction *e = over ? calloc(1, sizeof *e) : NULL;
	if (e == NULL)
		return;
	e->op = (struct writer_op){.run = eviction_run, .done = eviction_done};
	e->maintenance = k;
	e->size_bytes = size;
	e->rows = atomic_load(&k->careful) ? EVICT_ROWS_CAREFULLY : EVICT_ROWS;
	atomic_store(&k->evicting, true);
	writer_queue(k->at.writer, &e->op, false);
}

void quota_stored(struct maintenance *k, int64_t bytes)
{
	atomic_store(&k->unwritten, false);
	if (k->size_bytes > 0 && atomic_fetch_add(&k->stored, bytes) + bytes > k->size_bytes &&
	    !atomic_load(&k->evicting))
		maintenance_kick(k);
}

void quota_make_room(struct maintenance *k, struct index *ix, int64_t bytes)
{
	int64_t size = k->size_bytes, most = k->max_entries, flying = in_flight(k);
	bytes = bytes > flying ? bytes : flying; /* the body is one of those in flight */
	bool over, full = size > 0 && atomic_load(&k->stored) + bytes > size;
	if (!full && most <= 1)
		return;
	int evicted = index_evict(ix,
	    !full          ? 0
	    : size > bytes ? size - bytes
			   : 1,
	    most > 1 ? most - 1 : 0, EVICT_FOR_ONE, &over);
	if (evicted > 0)
		stats_add(STATS_EVICTED, evicted);
	if (full && evicted >= 0 && !over)
		atomic_store(&k->stored, size > bytes ? size - bytes : 0);
}
