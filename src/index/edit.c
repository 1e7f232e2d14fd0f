/*
 * Each function opens a connection of its own and starts no thread, so a server may run at the same time. A transaction
 * changes a bounded number of rows. A gap of the same length follows, and a longer one for a process that has just
 * opened the index, so that other writers get their turn. Locks of others are waited for, up to five seconds.
 */
#include "index/edit.h"

#include "base/clock.h"
#include "http/key.h"
#include "index/ballast.h"
#include "index/db_file.h"
#include "index/open_watch.h"
#include "index/query.h"
#include "index/query_rows.h"
#include "index/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_ROWS 100 /* they take about a millisecond */
#define GAP_LEAST_US 500
#define GAP_MOST_US 4000
#define PATIENCE_MS 5000
#define WAL_CHECKPOINT 4096 /* frames */
#define WAL_PRESS 16384
#define WAL_PATIENCE_MS 50

/* On a full disk nothing could be deleted, because deleting a row writes to the WAL. */
static void make_room(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	ballast_drop(fd);
	close(fd);
}

static sqlite3 *connect_to_write(const char *dir, struct buf *why)
{
	sqlite3 *db = NULL;
	char *path = index_path(dir, "index.db");
	if (path == NULL || access(path, F_OK) != 0) {
		index_describe_absence(dir, why);
		free(path);
		return NULL;
	}
	free(path);
	make_room(dir);
	int rc = index_connect(dir, SQLITE_OPEN_READWRITE, false, &db);
	if (rc != SQLITE_OK)
		buf_addf(why, "%s/index.db: %s", dir, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	if (rc != SQLITE_OK || index_check(db, dir, why) != 0) {
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, PATIENCE_MS);
	sqlite3_exec(db,
	    "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF; PRAGMA cache_size = -16000; PRAGMA temp_store = "
	    "MEMORY",
	    NULL, NULL, NULL);
	return db;
}

static int trouble(sqlite3 *db, const char *dir, struct buf *why)
{
	bool busy = (sqlite3_errcode(db) & 0xff) == SQLITE_BUSY;
	buf_addf(why, "%s/index.db: %s%s", dir, sqlite3_errmsg(db),
	    busy ? ": another process has kept it locked for five seconds (end that transaction, then try again)" : "");
	return -1;
}

static int prepare(sqlite3 *db, const char *sql, const char *const *params, size_t param_count, sqlite3_stmt **st)
{
	int rc = sqlite3_prepare_v2(db, sql, -1, st, NULL);
	for (size_t i = 0; i < param_count && rc == SQLITE_OK; i++)
		if (params[i] != NULL)
			rc = sqlite3_bind_text(*st, (int)i + 1, params[i], -1, SQLITE_STATIC);
	return rc;
}

int index_change(
    const char *dir, const char *sql, const char *const *params, size_t param_count, int64_t *changed, struct buf *why)
{
	sqlite3 *db = connect_to_write(dir, why);
	sqlite3_stmt *st = NULL;
	if (db == NULL)
		return -1;
	int rc = prepare(db, sql, params, param_count, &st);
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(st)) == SQLITE_ROW)
			;
	int result = rc == SQLITE_DONE ? 0 : trouble(db, dir, why);
	if (changed != NULL)
		*changed = sqlite3_changes64(db);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return result;
}

int index_change_rows(const char *dir, const char *sql, const char *const *params, size_t param_count, bool keep,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why)
{
	sqlite3 *db = connect_to_write(dir, why);
	sqlite3_stmt *st = NULL;
	if (db == NULL)
		return -1;
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK && (rc = prepare(db, sql, params, param_count, &st)) == SQLITE_OK)
		rc = index_give_rows(st, row, ctx);
	int result = rc == SQLITE_DONE ? 0 : trouble(db, dir, why);
	sqlite3_finalize(st);
	/* Closing the connection rolls back what is not committed. */
	if (result == 0 && keep && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		result = trouble(db, dir, why);
	sqlite3_close(db);
	return result;
}

/* Runs the statements for a batch of ids, from *at on. */
static int change_batch(sqlite3 *db, sqlite3_stmt *const st[INDEX_STATEMENTS], const int64_t *ids, size_t count,
    size_t *at, int64_t *changed)
{
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (int rows = 0; rc == SQLITE_OK && *at < count && rows < BATCH_ROWS; rows++, (*at)++) {
		int64_t last = 0;
		for (size_t i = 0; i < INDEX_STATEMENTS && st[i] != NULL && rc == SQLITE_OK; i++) {
			sqlite3_bind_int64(st[i], 1, ids[*at]);
			rc = sqlite3_step(st[i]) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
			last = sqlite3_changes64(db);
			sqlite3_reset(st[i]);
		}
		*changed += last;
	}
	return rc == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : rc;
}

/* curlew_normal(url) */
static void normal_url(sqlite3_context *call, int count, sqlite3_value **values)
{
	(void)count;
	char *normal = NULL;
	const char *url = (const char *)sqlite3_value_text(values[0]);
	if (url == NULL || key_normal(url, &normal) != 0)
		sqlite3_result_error_nomem(call);
	else if (normal == NULL)
		sqlite3_result_null(call);
	else
		sqlite3_result_text(call, normal, -1, free);
}

/* Prepares a statement with its text parameters from ?2 on. */
static int prepare_each(sqlite3 *db, const struct index_statements *s, size_t i, sqlite3_stmt **st)
{
	int rc = sqlite3_prepare_v2(db, s->sql[i], -1, st, NULL);
	for (size_t p = 0; p < s->param_count && rc == SQLITE_OK; p++)
		rc = sqlite3_bind_text(*st, (int)p + 2, s->params[p], -1, SQLITE_STATIC);
	return rc;
}

static int note_frames(void *frames, sqlite3 *db, const char *name, int count)
{
	(void)db;
	(void)name;
	*(int *)frames = count;
	return SQLITE_OK;
}

/* A checkpoint is never complete while two writers never rest: a server that evicts, and this process. So above some
 * size, the checkpoint keeps other writers out; it waits only a moment for readers. *at: frames at the last
 * checkpoint. */
static void keep_wal_small(sqlite3 *db, int frames, int *at)
{
	if (frames < *at)
		*at = 0; /* SQLite has started the WAL again */
	if (frames - *at < WAL_CHECKPOINT)
		return;
	*at = frames;
	sqlite3_busy_timeout(db, WAL_PATIENCE_MS);
	sqlite3_wal_checkpoint_v2(
	    db, NULL, frames < WAL_PRESS ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_FULL, NULL, NULL);
	sqlite3_busy_timeout(db, PATIENCE_MS);
}

static void pause_us(void *none, int64_t us)
{
	(void)none;
	clock_pause_us(us);
}

int index_change_each_by(const char *dir, const struct index_statements *statements, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why)
{
	sqlite3 *db = connect_to_write(dir, why);
	sqlite3_stmt *st[INDEX_STATEMENTS] = {NULL};
	int frames = 0, checkpointed = 0;
	*changed = 0;
	if (db == NULL)
		return -1;
	int open_watch = open_watch_begin(dir);
	sqlite3_wal_hook(db, note_frames, &frames);
	int rc = sqlite3_create_function(
	    db, "curlew_normal", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, normal_url, NULL, NULL);
	for (size_t i = 0; i < INDEX_STATEMENTS && statements->sql[i] != NULL && rc == SQLITE_OK; i++)
		rc = prepare_each(db, statements, i, &st[i]);
	for (size_t at = 0; rc == SQLITE_OK && at < count;) {
		int64_t began = clock_us();
		rc = change_batch(db, st, ids, count, &at, changed);
		keep_wal_small(db, frames, &checkpointed);
		if (progress != NULL)
			progress(ctx, at, count);
		int64_t gap = clock_us() - began;
		if (at < count) {
			clock_pause_us(gap < GAP_LEAST_US ? GAP_LEAST_US : gap < GAP_MOST_US ? gap : GAP_MOST_US);
			open_watch_let_pass(open_watch, pause_us, NULL);
		}
	}
	open_watch_end(open_watch);
	int result = rc == SQLITE_OK ? 0 : trouble(db, dir, why);
	for (size_t i = 0; i < INDEX_STATEMENTS; i++)
		sqlite3_finalize(st[i]);
	sqlite3_close(db);
	return result;
}

int index_change_each(const char *dir, const char *sql, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why)
{
	struct index_statements statements = {.sql = {sql}};
	return index_change_each_by(dir, &statements, ids, count, progress, ctx, changed, why);
}
