/*
 * All statements (statements.c) are prepared when the connection opens, so an error in the SQL shows at the start.
 *
 * The page caches are small. The kernel caches the rest of the file once for all connections.
 */

#include "base/clock.h"
#include "index/connection.h"
#include "index/db_file.h"
#include "index/version.h"

#include <stdlib.h>
#include <string.h>

/* Waits for another process's transaction in small steps, for 50 ms in total: the writer has other work. */
static int wait_for_lock(void *unused, int tries)
{
	(void)unused;
	if (tries >= 50)
		return 0;
	clock_pause_us(1000);
	return 1;
}

static int count_frames(void *arg, sqlite3 *db, const char *schema, int frames)
{
	(void)db;
	(void)schema;
	struct index *ix = arg;
	atomic_store(&ix->wal_frames, frames);
	return SQLITE_OK;
}

static int set_manners(struct index *ix)
{
	static const char *const manners[] = {
	    [INDEX_READER] = "PRAGMA cache_size = -4000; PRAGMA query_only = ON;",
	    [INDEX_GUEST] = "PRAGMA query_only = ON;",
	    [INDEX_MAINTENANCE] =
		"PRAGMA cache_size = -1000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;",
	    /* secure_delete, which Debian turns on, would overwrite everything deleted with zeros. */
	    [INDEX_WRITER] =
		("PRAGMA cache_size = -16000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; "
		 "PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;"),
	};
	int rc = sqlite3_exec(ix->db, manners[ix->role], NULL, NULL, NULL);
	if (rc == SQLITE_OK && ix->role == INDEX_WRITER) {
		rc = sqlite3_busy_handler(ix->db, wait_for_lock, NULL);
		sqlite3_wal_hook(ix->db, count_frames, ix); /* replaces SQLite's own checkpoints */
	}
	return rc;
}

struct index *index_open(const char *dir, enum index_role role, struct buf *why)
{
	static const unsigned bits[] = {[INDEX_READER] = READER,
	    [INDEX_WRITER] = WRITER,
	    [INDEX_MAINTENANCE] = MAINTENANCE,
	    [INDEX_GUEST] = READER};
	struct index *ix = calloc(1, sizeof *ix);
	if (ix == NULL || (ix->dir = strdup(dir)) == NULL) {
		free(ix);
		buf_adds(why, "no memory for the index");
		return NULL;
	}
	ix->role = role;
	int rc = role == INDEX_GUEST ? index_connect_to_read(dir, &ix->db)
				     : index_connect(dir, SQLITE_OPEN_READWRITE, false, &ix->db);
	if (rc == SQLITE_OK && role == INDEX_GUEST && index_check(ix->db, dir, why) != 0) {
		index_close(ix);
		return NULL;
	}
	if (rc == SQLITE_OK)
		rc = set_manners(ix);
	for (int i = 0; i < STATEMENTS && rc == SQLITE_OK; i++)
		if (index_statements[i].roles & bits[role])
			rc = sqlite3_prepare_v3(
			    ix->db, index_statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &ix->statements[i], NULL);
	if (rc != SQLITE_OK) {
		buf_addf(why, "%s/index.db: %s", dir, ix->db != NULL ? sqlite3_errmsg(ix->db) : sqlite3_errstr(rc));
		if (index_is_damage(rc) && role != INDEX_GUEST)
			index_mark_damaged(dir);
		index_close(ix);
		return NULL;
	}
	return ix;
}

void index_close(struct index *ix)
{
	if (ix == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(ix->statements[i]);
	sqlite3_close(ix->db);
	free(ix->dir);
	free(ix);
}
