/* One question of a verb: a connection of its own, read-only, gone with the answer. */
#include "index/index_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COLUMNS_MAX 64

void index_say_absence(const char *dir, struct buf *why)
{
	if (errno == ENOENT)
		buf_addf(why,
		    "no cache in %s yet (`curlew serve` or `curlew get` makes one; --cache DIR names another)", dir);
	else
		buf_addf(why,
		    "the cache in %s cannot be opened: %s (it may be somebody else's; --cache DIR names another)", dir,
		    strerror(errno));
}

/* A stopped cache that we may not write, whose -shm is gone, opens only as an immutable file: nobody else can be at it.
 */
int index_connect_to_read(const char *dir, sqlite3 **db)
{
	int rc = index_connect(dir, SQLITE_OPEN_READONLY, false, db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
	if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) {
		sqlite3_close(*db);
		rc = index_connect(dir, SQLITE_OPEN_READONLY, true, db);
	}
	if (rc == SQLITE_OK)
		sqlite3_busy_timeout(*db, 5000);
	return rc;
}

int index_give_rows(sqlite3_stmt *st, int (*row)(void *, const struct index_column *, size_t), void *ctx)
{
	int rc, count = sqlite3_column_count(st);
	struct index_column columns[COLUMNS_MAX];
	if (count > COLUMNS_MAX)
		count = COLUMNS_MAX;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < count; i++) {
			int type = sqlite3_column_type(st, i);
			columns[i].name = sqlite3_column_name(st, i);
			columns[i].is_number = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
			columns[i].text = (const char *)sqlite3_column_text(st, i);
		}
		if (row(ctx, columns, (size_t)count) != 0)
			return SQLITE_DONE;
	}
	return rc;
}

int index_query(const char *dir, const char *sql, const char *const *params, size_t param_count,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why)
{
	struct stat s;
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	char *path = index_path(dir, "index.db");
	int result = -1;
	if (path == NULL || stat(path, &s) < 0) {
		index_say_absence(dir, why);
		goto out;
	}
	int rc = index_connect_to_read(dir, &db);
	if (rc == SQLITE_OK && index_check(db, dir, why) != 0)
		goto out;
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	for (size_t i = 0; i < param_count && rc == SQLITE_OK; i++)
		if (params[i] != NULL)
			rc = sqlite3_bind_text(st, (int)i + 1, params[i], -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = index_give_rows(st, row, ctx);
	if (rc == SQLITE_DONE)
		result = 0;
	else
		buf_addf(why, "%s: %s", path, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
out:
	sqlite3_finalize(st);
	sqlite3_close(db);
	free(path);
	return result;
}
