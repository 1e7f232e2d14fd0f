/* The index of one directory copied to another, by SQLite's backup API, in one step and so of one moment. */
#include "store/index_private.h"

int index_backup(const char *from_dir, const char *to_dir, struct buf *why)
{
	sqlite3 *from = NULL, *to = NULL;
	int result = -1, rc = index_connect(from_dir, SQLITE_OPEN_READONLY, false, &from);
	if (rc != SQLITE_OK) {
		buf_addf(why, "%s/index.db: %s", from_dir, from != NULL ? sqlite3_errmsg(from) : sqlite3_errstr(rc));
	} else if (index_check(from, from_dir, why) == 0) {
		rc = index_connect(to_dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false, &to);
		sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", from, "main") : NULL;
		if (b != NULL) {
			sqlite3_backup_step(b, -1);
			rc = sqlite3_backup_finish(b);
		}
		/* What is true of the other directory alone goes. */
		if (b != NULL && rc == SQLITE_OK)
			rc = sqlite3_exec(to, "DELETE FROM trash; DELETE FROM lease; DELETE FROM setting WHERE name IN ('server', 'stopped'); "
					      "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
		if (b != NULL && rc == SQLITE_OK)
			result = 0;
		else
			buf_addf(why, "%s/index.db: %s", to_dir, to != NULL ? sqlite3_errmsg(to) : sqlite3_errstr(rc));
	}
	sqlite3_close(to);
	sqlite3_close(from);
	return result;
}
