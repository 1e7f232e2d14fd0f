/* The index of one directory copied to another, by SQLite's backup API, in one step and so of one moment. */
#include "index/index_backup.h"

#include "index/db_file.h"
#include "index/version.h"

/* What is true of the other directory alone goes. Nobody writes under the old leases here; those of an earlier boot
 * stay, because their bodies may have been torn before they were copied (invariant 7). */
static int make_its_own(sqlite3 *db, const char *boot)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "DELETE FROM lease WHERE boot = ?1", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_text(st, 1, boot, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
	}
	sqlite3_finalize(st);
	return rc != SQLITE_DONE ? rc
				 : sqlite3_exec(db,
				       "UPDATE lease SET owner = 0; DELETE FROM trash; "
				       "DELETE FROM setting WHERE name = 'stopped' OR name GLOB 'server*'; PRAGMA "
				       "wal_checkpoint(TRUNCATE)",
				       NULL, NULL, NULL);
}

int index_backup(const char *from_dir, const char *to_dir, const char *boot, struct buf *why)
{
	sqlite3 *from = NULL, *to = NULL;
	int result = -1, rc = index_connect_to_read(from_dir, &from);
	if (rc != SQLITE_OK) {
		buf_addf(why, "%s/index.db: %s", from_dir, from != NULL ? sqlite3_errmsg(from) : sqlite3_errstr(rc));
	} else if (index_check(from, from_dir, why) == 0) {
		index_make_file(to_dir, "index.db");
		rc = index_connect(
		    to_dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, false, &to);
		sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", from, "main") : NULL;
		if (b != NULL) {
			rc = sqlite3_backup_step(b, -1);
			int finished = sqlite3_backup_finish(b); /* says nothing of a step that met a lock */
			rc = rc == SQLITE_DONE ? finished : rc;
		}
		if (b != NULL && rc == SQLITE_OK)
			rc = make_its_own(to, boot);
		if (b != NULL && rc == SQLITE_OK)
			result = 0;
		else
			buf_addf(why, "%s/index.db: %s", to_dir, to != NULL ? sqlite3_errmsg(to) : sqlite3_errstr(rc));
	}
	sqlite3_close(to);
	sqlite3_close(from);
	return result;
}
