/*
 * connection: struct index, and how its statements are run. Only the files of this folder see it.
 *
 * One thread uses a connection at a time, so its members have no lock. The exception is wal_frames, which the thread of
 * the connection writes and any thread may read. index.c opens and closes the connection. transaction.c sets `who`,
 * `begun_edits` and the members below it when a transaction begins; part_write.c, evict.c, entry_tags.c and refusals.c
 * set theirs when they insert the first one.
 */
#ifndef CURLEW_INDEX_CONNECTION_H
#define CURLEW_INDEX_CONNECTION_H

#include "index/index.h"
#include "index/rows.h"
#include "index/statements.h"
#include "index/wal_header.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct index {
	sqlite3 *db;
	char *dir;
	enum index_role role;
	const char *who; /* the caller of index_begin(); NULL outside a transaction */
	int64_t begun_edits;
	/* Of the open transaction: may the tables part, ghost, entry_tag and refusal have rows? In most caches most of
	 * them are empty, and then no statement is run on them. */
	bool parts, ghosts, tags, refusals;
	int64_t purge_id; /* the last purge; no transaction of this connection adds one */
	atomic_int wal_frames;
	struct wal_header wal_header;
	int64_t version; /* the last result of index_version(); valid while wal_header is the same; -1: none */
	sqlite3_stmt *statements[STATEMENTS]; /* NULL: not of this role */
};

/* Counts and logs SQLite's last error, during `what`. Leaves the damage mark where the file is damaged. Always -1. */
int index_error(struct index *, const char *what);
/* False outside a transaction, and after an error that made SQLite roll it back. */
bool index_in_transaction(const struct index *);

/* Runs a statement to its end, ignores its rows, and resets it. 0 or -1. */
int index_run(struct index *, enum statement, const char *what);
/* One step of a statement. FOUND: there is a row to read. The caller resets the statement. */
enum index_result index_step(struct index *, enum statement, const char *what);
/* Ends a statement and clears its bindings. */
void index_reset(struct index *, enum statement);

/* The text must stay until index_reset(). NULL leaves the parameter NULL. */
void index_bind_text(sqlite3_stmt *, int at, const char *text_or_null);
/* Binds the normal URL of a key, or NULL where the key is the normal URL itself. 0, or -1: no memory. */
int index_bind_normal(sqlite3_stmt *, int at, const char *url);

#endif
