/*
 * The connection remembers who opened the transaction. Every function that writes asserts that one is open.
 *
 * A statement that fails (because of a constraint, for example) undoes its own work and leaves the transaction open.
 * After some errors, such as a full disk, SQLite rolls the whole transaction back. index_in_transaction() tells.
 */
#include "index/transaction.h"

#include "index/connection.h"
#include "index/counters.h"

#include <assert.h>

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
	struct index_totals t;
	if (index_totals(ix, &t) < 0) {
		index_abort(ix);
		return INDEX_FAILED;
	}
	ix->begun_edits = t.edits;
	ix->parts = t.parts;
	ix->ghosts = t.ghosts;
	ix->tags = t.tags;
	return INDEX_BEGUN;
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
