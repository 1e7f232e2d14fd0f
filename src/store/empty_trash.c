/*
 * The row is gone already; now the file goes (invariant 4), and then the row in trash. A million files in the trash
 * must not delay the other chores, so a round removes files for a tenth of a second at most, in batches, and pauses
 * after each batch for as long as the batch took.
 */
#include "store/empty_trash.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "body/body_files.h"
#include "index/body_name.h"
#include "index/counters.h"
#include "index/trash.h"
#include "store/maintenance_state.h"
#include "store/maintenance_struct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_FILES 64
#define ROUND_US 100000
#define QUEUED_MAX 16 /* operations in the writer's queue */

struct removal {
	struct writer_op op;
	struct maintenance *maintenance;
	int count;
	struct index_trash items[BATCH_FILES];
};

static int removal_run(struct writer_op *op, struct index *ix)
{
	struct removal *e = (struct removal *)op;
	int result = 0;
	for (int i = 0; i < e->count && result == 0; i++)
		result = index_trash_remove(ix, e->items[i].id, e->items[i].file);
	return result;
}

static void removal_done(struct writer_op *op, bool committed)
{
	(void)committed; /* after an error the rows are read again, and their files are gone already */
	atomic_fetch_sub(&((struct removal *)op)->maintenance->trash_asked, 1);
	free(op);
}

/* True: the row in the trash can go. */
static bool remove_file(struct maintenance *k, const struct index_trash *item)
{
	if (item->owned)
		return true;
	if (body_number(item->file) < 0) {
		log_trouble("trash name",
		    "%s/index.db: trash row %lld does not name a body file (the row is removed; no file is touched)",
		    k->at.dir, (long long)item->id);
		return true;
	}
	if (bodies_unlink(k->at.bodies, item->file) < 0) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("trash", "%s/%s: cannot be removed: %s (curlew will try again)", k->at.dir, item->file,
		    strerror(errno));
		return false;
	}
	return true;
}

/* Removes one batch. False: there is nothing more at the moment. */
static bool empty_batch(struct maintenance *k)
{
	struct removal *e = malloc(sizeof *e);
	if (e == NULL)
		return false;
	e->op = (struct writer_op){.run = removal_run, .done = removal_done};
	e->maintenance = k;
	e->count = 0;
	int n = index_trash(k->ix, k->trash_after, e->items, BATCH_FILES);
	for (int i = 0; i < n; i++) {
		k->trash_after = e->items[i].id;
		if (remove_file(k, &e->items[i]))
			e->items[e->count++] = e->items[i];
	}
	if (e->count > 0) {
		atomic_fetch_add(&k->trash_asked, 1);
		writer_queue(k->at.writer, &e->op, false);
	} else {
		free(e);
	}
	return n == BATCH_FILES;
}

void empty_trash(struct maintenance *k)
{
	int64_t version = index_version(k->ix);
	if (version != k->version) {
		k->version = version;
		k->trash_left = true;
	}
	if (!k->trash_left || !file_lock_reclaim_begin(k->at.lock))
		return;
	int64_t began = clock_us(), batch_began = began;
	bool more = true, from_the_first = k->trash_after == 0;
	while (more && batch_began - began < ROUND_US && atomic_load(&k->trash_asked) < QUEUED_MAX &&
	       !maintenance_is_stopping(k)) {
		more = empty_batch(k);
		int64_t now = clock_us();
		if (more)
			clock_pause_us(now - batch_began);
		batch_began = clock_us();
	}
	file_lock_reclaim_end(k->at.lock);
	if (!more) {
		k->trash_after = 0;
		k->trash_left = !from_the_first; /* rows that came during the round may have lower ids */
	}
}
