/*
 * The connection remembers who opened the transaction. Every function that writes asserts that one is open.
 *
 * A statement that fails (because of a constraint, for example) undoes its own work and leaves the transaction open.
 * After some errors, such as a full disk, SQLite rolls the whole transaction back. index_in_transaction() tells.
 */
#include "index/transaction.h"

#include "index/connection.h"

#include <assert.h>

/* Reads what spares the operations of the transaction a statement each. 0 or -1. */
static int look_around(struct index *ix)
{
	sqlite3_stmt *st = ix->statements[BEGUN];
	enum index_result found = index_step(ix, BEGUN, "reading the counters");
	ix->begun_edits = sqlite3_column_int64(st, 0);
	ix->parts = sqlite3_column_int(st, 1) != 0;
	ix->ghosts = sqlite3_column_int(st, 2) != 0;
	ix->tags = sqlite3_column_int(st, 3) != 0;
	ix->refusals = sqlite3_column_int(st, 4) != 0;
	ix->purge_id = sqlite3_column_int64(st, 5);
	sqlite3_reset(st);
	return found == INDEX_FOUND ? 0 : -1;
}

enum index_begun index_begin(struct index *ix, const char *who)
{
	assert(ix->who == NULL);
	int rc = sqlite3_step(ix->statements[BEGIN]);
	sqlite3_reset(ix->statements[BEGIN]);
	if (rc != SQLITE_DONE) {
		if ((rc & 0xff) == SQLITE_BUSY)
			return INDEX_LOCKED;
		index_error(ix, who);
		return INDEX_FAILED;
	}
	ix->who = who;
	if (look_around(ix) == 0)
		return INDEX_BEGUN;
	index_abort(ix);
	return INDEX_FAILED;
}

int index_commit(struct index *ix)
{
	assert(ix->who != NULL);
	if (index_run(ix, COMMIT, ix->who) < 0) {
		index_abort(ix);
		return -1;
	}
	ix->who = NULL;
	return 0;
}

void index_abort(struct index *ix)
{
	if (index_in_transaction(ix))
		index_run(ix, ROLLBACK, "rollback");
	ix->who = NULL;
}

int64_t index_begun_edits(const struct index *ix)
{
	return ix->begun_edits;
}

bool index_in_transaction(const struct index *ix)
{
	return sqlite3_get_autocommit(ix->db) == 0;
}
