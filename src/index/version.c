#include "index/version.h"

#include <stddef.h>

static int read_number(sqlite3 *db, const char *sql, int64_t *n)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
		*n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc;
}

int index_unsigned_version(sqlite3 *db)
{
	bool ours = true;
	static const char *const tables[] = {"entry", "part", "rule", "lease", "setting", "counter"};
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		ours = ours && sqlite3_table_column_metadata(db, NULL, tables[i], NULL, NULL, NULL, NULL, NULL, NULL) ==
				   SQLITE_OK;
	if (!ours)
		return 0;
	/* Version 3 has the columns of version 2. Taken for 2, it is migrated to the same result. */
	if (sqlite3_table_column_metadata(db, NULL, "entry", "normal_url", NULL, NULL, NULL, NULL, NULL) == SQLITE_OK)
		return INDEX_VERSION;
	return sqlite3_table_column_metadata(db, NULL, "entry", "computed_until", NULL, NULL, NULL, NULL, NULL) ==
		       SQLITE_OK
		   ? 2
		   : 1;
}

void index_describe_foreign(
    const char *dir, int64_t application, int64_t version, int unsigned_version, struct buf *why)
{
	if (unsigned_version == 0)
		buf_addf(why,
		    "%s/index.db: not an index of curlew, but the database of another application (nothing was "
		    "changed; --cache DIR names another directory)",
		    dir);
	else
		buf_addf(why,
		    "%s/index.db: an index of curlew, but with application_id %lld and version %lld, as .dump leaves "
		    "them (nothing was changed; "
		    "to set them: sqlite3 '%s/index.db' 'PRAGMA application_id = %d; PRAGMA user_version = %d')",
		    dir, (long long)application, (long long)version, dir, INDEX_APPLICATION_ID, unsigned_version);
}

int index_check(sqlite3 *db, const char *dir, struct buf *why)
{
	int64_t application = 0, version = 0;
	int rc = read_number(db, "PRAGMA application_id", &application);
	if (rc == SQLITE_OK)
		rc = read_number(db, "PRAGMA user_version", &version);
	if (rc != SQLITE_OK)
		buf_addf(why, "%s/index.db: %s", dir, sqlite3_errmsg(db));
	else if (application != INDEX_APPLICATION_ID || version == 0)
		index_describe_foreign(
		    dir, application, version, application == 0 || version == 0 ? index_unsigned_version(db) : 0, why);
	else if (version > INDEX_VERSION)
		buf_addf(why, "%s/index.db: made by a newer curlew, version %lld (nothing was changed; upgrade)", dir,
		    (long long)version);
	else if (version < INDEX_VERSION)
		buf_addf(why,
		    "%s/index.db: made by an older curlew, version %lld (start `curlew serve` or `curlew get` once: "
		    "they migrate it)",
		    dir, (long long)version);
	else
		return 0;
	return -1;
}
