/*
 * sql/migrate/N.sql migrates from version N - 1 to N. It holds what schema.sql cannot add: columns, and their contents.
 * Triggers, views and indexes hold no data, so all of them are dropped and made again from schema.sql. Missing tables
 * are made from it, too. Everything is one transaction: after a crash in the middle, the index is as before.
 */
#include "index/migrate.h"

#include "base/log.h"
#include "index/db_file.h"
#include "index/migrate_sql.h"
#include "index/schema_sql.h"
#include "index/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* migrations[i] migrates from version i + 1 */
static const char *const migrations[] = {migrate_2_sql, migrate_3_sql, migrate_4_sql};
_Static_assert(sizeof migrations / sizeof migrations[0] == INDEX_VERSION - 1, "a version without its migration");

/* Drops everything but tables, by statements that are built from sqlite_schema. */
static int drop_the_rest(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	struct buf drops;
	buf_init(&drops, BUF_PAGE);
	int rc = sqlite3_prepare_v2(db,
	    "SELECT format('DROP %s \"%w\";', type, name) FROM sqlite_schema "
	    "WHERE type IN ('trigger', 'view', 'index') AND sql IS NOT NULL",
	    -1, &st, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
		rc = buf_adds(&drops, (const char *)sqlite3_column_text(st, 0)) == 0 ? SQLITE_OK : SQLITE_NOMEM;
	sqlite3_finalize(st);
	if (rc == SQLITE_DONE)
		rc = sqlite3_exec(db, buf_str(&drops), NULL, NULL, NULL);
	buf_fini(&drops);
	return rc;
}

/* Is it "CREATE TABLE name" of an existing table? Comments and white space may precede the statement. */
static bool is_there(sqlite3 *db, const char *sql)
{
	char name[64] = "";
	for (;;) {
		sql += strspn(sql, " \t\n");
		if (strncmp(sql, "--", 2) != 0)
			break;
		sql += strcspn(sql, "\n");
	}
	if (sscanf(sql, "CREATE TABLE %63[a-z_]", name) != 1)
		return false;
	return sqlite3_table_column_metadata(db, NULL, name, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/* The row of counters exists already. */
static bool is_data(sqlite3_stmt *st)
{
	const char *sql = sqlite3_sql(st);
	return sql != NULL && strstr(sql, "INSERT INTO counter (id, names)") != NULL && strstr(sql, "CREATE") == NULL;
}

static int make_the_rest(sqlite3 *db)
{
	int rc = SQLITE_OK;
	for (const char *sql = schema_sql, *tail; rc == SQLITE_OK && *sql != '\0'; sql = tail) {
		sqlite3_stmt *st = NULL;
		if (is_there(db, sql)) {
			/* It is not even prepared, because an existing table would be an error. It ends at the first
			 * "STRICT" with a semicolon. */
			tail = strstr(sql, ") STRICT");
			tail = tail != NULL ? strchr(tail, ';') : NULL;
			if (tail == NULL)
				return SQLITE_INTERNAL;
			tail++;
			continue;
		}
		rc = sqlite3_prepare_v2(db, sql, -1, &st, &tail);
		if (rc == SQLITE_OK && st != NULL && !is_data(st)) {
			int step = sqlite3_step(st);
			rc = step == SQLITE_DONE || step == SQLITE_ROW ? SQLITE_OK : step;
		}
		sqlite3_finalize(st);
	}
	return rc;
}

int index_migrate(const char *dir, int from, struct buf *why)
{
	sqlite3 *db;
	log_say("%s/index.db: migrating it from version %d to %d (this may take a moment)", dir, from, INDEX_VERSION);
	int rc = index_connect(dir, SQLITE_OPEN_READWRITE, false, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = drop_the_rest(db); /* first, because the triggers must not count what a migration writes */
	for (int v = from; v < INDEX_VERSION && rc == SQLITE_OK; v++)
		rc = sqlite3_exec(db, migrations[v - 1], NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = make_the_rest(db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		buf_addf(why,
		    "%s/index.db: cannot be migrated from version %d to %d: %s (it is unchanged; --cache DIR names "
		    "another directory)",
		    dir, from, INDEX_VERSION, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	sqlite3_close(db);
	return rc == SQLITE_OK ? 0 : -1;
}
