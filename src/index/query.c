#include "index/query.h"

#include "index/db_file.h"
#include "index/query_rows.h"
#include "index/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void index_describe_absence(const char *dir, struct buf *why)
{
	if (errno == ENOENT)
		buf_addf(why,
		    "no cache in %s yet (`curlew serve` or `curlew get` makes one; --cache DIR names another)", dir);
	else
		buf_addf(why,
		    "the cache in %s cannot be opened: %s (it may belong to another user; --cache DIR names another)",
		    dir, strerror(errno));
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
		index_describe_absence(dir, why);
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
