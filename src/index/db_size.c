#include "index/db_size.h"

#include "index/connection.h"

#include <assert.h>
#include <stdio.h>

int index_pages(struct index *ix, int64_t *pages, int64_t *free_pages)
{
	enum index_result found = index_step(ix, PAGES, "counting pages");
	if (found == INDEX_FOUND) {
		*pages = sqlite3_column_int64(ix->statements[PAGES], 0);
		*free_pages = sqlite3_column_int64(ix->statements[PAGES], 1);
	}
	index_reset(ix, PAGES);
	return found == INDEX_FOUND ? 0 : -1;
}

int index_wal_frames(const struct index *ix)
{
	return atomic_load(&ix->wal_frames);
}

int index_checkpoint(struct index *ix, int *log, int *done)
{
	int rc = sqlite3_wal_checkpoint_v2(ix->db, "main", SQLITE_CHECKPOINT_PASSIVE, log, done);
	if (rc == SQLITE_OK)
		return 0;
	if ((rc & 0xff) == SQLITE_BUSY) /* another process is making a checkpoint, which is as good; log and done mean
					   nothing then */
		return -1;
	return index_error(ix, "checkpoint");
}

int index_vacuum(struct index *ix, int pages)
{
	assert(ix->who != NULL);
	char sql[64];
	snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", pages);
	if (sqlite3_exec(ix->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return index_error(ix, "returning free pages");
	return 0;
}
