/*
 * The WAL is copied into the file from 4,096 frames on. A writer that never rests keeps a checkpoint from ever being
 * complete. So from 16,384 frames on, the writer itself makes one between two transactions. When 32,768 frames cannot
 * be copied, a reader keeps its transaction open. Then storing stops, and the log names the reader.
 */
#include "store/checkpoint.h"

#include "base/log.h"
#include "index/db_size.h"
#include "store/maintenance_state.h"
#include "store/maintenance_struct.h"
#include "store/wal_readers.h"

#include <stdlib.h>

#define WAL_CHECKPOINT 4096
#define WAL_PRESS 16384
#define WAL_FULL 32768
#define VACUUM_PAGES 500
#define VACUUM_ABOVE 1024 /* fewer free pages are not worth it */

void checkpoint_wal(struct maintenance *k)
{
	int frames = writer_wal_frames(k->at.writer), log = 0, done = 0;
	if (frames < WAL_CHECKPOINT || frames == k->checkpointed) {
		if (frames < WAL_FULL)
			atomic_store(&k->full, false);
		return;
	}
	if (index_checkpoint(k->ix, &log, &done) < 0)
		return;
	k->checkpointed = done == log ? frames : 0;
	if (log > WAL_PRESS)
		writer_checkpoint(k->at.writer);
	bool full = log - done > WAL_FULL;
	k->reader[0] = '\0';
	if (full) {
		wal_readers_name(k->at.dir, k->reader, sizeof k->reader);
		log_trouble("wal",
		    "%s/index.db-wal: a reader with an open transaction keeps it from being emptied: %s (nothing is "
		    "stored "
		    "until that ends)",
		    k->at.dir, k->reader);
	}
	atomic_store(&k->full, full);
}

static int vacuum_run(struct writer_op *op, struct index *ix)
{
	(void)op;
	return index_vacuum(ix, VACUUM_PAGES);
}

void checkpoint_free_pages(struct maintenance *k)
{
	int64_t pages = 0, free_pages = 0;
	if (index_pages(k->ix, &pages, &free_pages) < 0 || free_pages < VACUUM_ABOVE || free_pages < pages / 4)
		return;
	struct writer_op *v = calloc(1, sizeof *v);
	if (v == NULL)
		return;
	*v = (struct writer_op){.run = vacuum_run, .done = maintenance_op_free};
	writer_queue(k->at.writer, v, true);
}
