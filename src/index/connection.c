/*
 * A statement is used in three steps: bind, step, index_reset(). Between uses it is reset and its bindings are cleared,
 * so that no statement keeps a read transaction open. A forgotten one would keep the WAL from ever being checkpointed.
 */
#include "index/connection.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/key.h"
#include "index/db_file.h"

#include <stdlib.h>

int index_error(struct index *ix, const char *what)
{
	int rc = sqlite3_extended_errcode(ix->db);
	stats_add(STATS_STORE_TROUBLE, 1);
	if (index_is_damage(rc)) {
		index_mark_damaged(ix->dir);
		log_trouble("index damaged",
		    "%s/index.db: %s: %s (the index is damaged: responses are not stored where it is; the next start "
		    "sets it aside)",
		    ix->dir, what, sqlite3_errmsg(ix->db));
	} else {
		log_trouble("index", "%s/index.db: %s: %s (responses are served, but not stored)", ix->dir, what,
		    sqlite3_errmsg(ix->db));
	}
	return -1;
}

void index_reset(struct index *ix, enum statement s)
{
	sqlite3_reset(ix->statements[s]);
	sqlite3_clear_bindings(ix->statements[s]);
}

/* After some errors SQLite rolls the whole transaction back. The statements that follow must then not run outside of
 * a transaction. */
static bool has_lost_its_transaction(const struct index *ix, enum statement s)
{
	return ix->who != NULL && s != COMMIT && s != ROLLBACK && sqlite3_get_autocommit(ix->db) != 0;
}

int index_run(struct index *ix, enum statement s, const char *what)
{
	int rc;
	if (has_lost_its_transaction(ix, s))
		return -1;
	do
		rc = sqlite3_step(ix->statements[s]);
	while (rc == SQLITE_ROW);
	int result = rc == SQLITE_DONE ? 0 : index_error(ix, what);
	index_reset(ix, s);
	return result;
}

void index_bind_text(sqlite3_stmt *st, int at, const char *text)
{
	if (text != NULL)
		sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

int index_bind_normal(sqlite3_stmt *st, int at, const char *url)
{
	char *normal;
	if (key_normal(url, &normal) != 0)
		return -1;
	if (normal != NULL)
		sqlite3_bind_text(st, at, normal, -1, free);
	return 0;
}

enum index_result index_step(struct index *ix, enum statement s, const char *what)
{
	if (has_lost_its_transaction(ix, s))
		return INDEX_BROKEN;
	int rc = sqlite3_step(ix->statements[s]);
	if (rc == SQLITE_ROW)
		return INDEX_FOUND;
	if (rc == SQLITE_DONE)
		return INDEX_ABSENT;
	index_error(ix, what);
	return INDEX_BROKEN;
}
