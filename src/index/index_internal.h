/* index_private: what the files index*.c share, the only users of SQLite. */
#ifndef CURLEW_INDEX_INDEX_INTERNAL_H
#define CURLEW_INDEX_INDEX_INTERNAL_H

#include "index/index.h"

#include <sqlite3.h>
#include <stdatomic.h>

/* Must agree with sql/schema.sql. */
#define INDEX_APPLICATION_ID 0x63726c77 /* "crlw" */
#define INDEX_VERSION 4

/* Every statement of the program but store_query()'s; the table is in statements.c. */
enum statement {
	FIND,
	ENTRIES_AFTER,
	PARTS_AFTER,
	STILL,
	VERSION,
	RULES,
	GENERATION,
	TOTALS,
	NAMES,
	OWNER,
	TRASH,
	LEASES,
	SETTING,
	PAGES,
	BEGIN,
	COMMIT,
	ROLLBACK,
	HAS_ROW,
	HAS_KEY,
	INSERT,
	OVERWRITE,
	LEFT_ALONE,
	REFRESH,
	WITHDRAW,
	VARIANTS_TRIM,
	INVALIDATE,
	DROP,
	PARTS,
	PART_STILL,
	HAS_NEWER,
	PART_INSERT,
	PART_HEADERS,
	PART_COVERED,
	PART_USED,
	PARTS_DROP,
	PARTS_INVALIDATE,
	PARTS_DROP_OTHERS,
	PARTS_DROP_WITHIN,
	PARTS_FRESHEN,
	PARTS_TRIM,
	DROP_PART,
	USED,
	REFUSE,
	REFUSALS_TRIM,
	REFUSAL_FORGET,
	LIMITS,
	PURGED,
	CANDIDATE,
	CANDIDATE_PINNED,
	EVICT,
	REQUEUE,
	NEXT_PLACE,
	GHOST_ADD,
	GHOST_TAKE,
	GHOST_TRIM,
	PART_EVICT,
	TRAFFIC,
	TRAFFIC_HIT,
	TRAFFIC_TRIM,
	TRASH_ADD,
	TRASH_REMOVE,
	NAMES_TAKE,
	LEASE_ADD,
	LEASE_SYNCED,
	LEASE_SETTLE,
	LEASE_REMOVE,
	SETTING_SET,
	SETTING_REMOVE,
	STATEMENTS
};

#define READER 1u
#define WRITER 2u
#define MAINTENANCE 4u

struct index_statement {
	unsigned roles;
	const char *sql;
};
extern const struct index_statement index_statements[STATEMENTS];

struct index {
	sqlite3 *db;
	char *dir;
	enum index_role role;
	const char *who; /* who opened the transaction; NULL outside */
	int64_t begun_edits;
	bool parts, ghosts; /* of the open transaction: may there be any? Most caches have none, and need not be asked
			       for each row */
	atomic_int wal_frames;
	sqlite3_stmt *statements[STATEMENTS]; /* NULL: not of this role */
};

/* Counts and logs what SQLite just said about `what`; leaves the mark where the file is damaged. Always -1. */
int index_trouble(struct index *, const char *what);
/* The same for an error that is not a connection's. */
bool index_is_damage(int rc);
/* Leaves the mark for the next index_setup(). */
void index_mark_damaged(const char *dir);

/* Where a new row begins in the order of eviction. 0 or -1. */
int index_queue(struct index *, const struct entry *, const char **queue, int64_t *place);
int index_next_place(struct index *, int64_t *place);

/* Runs a statement that returns no rows, and makes it ready again, bindings cleared. 0 or -1. */
int index_run(struct index *, enum statement, const char *what);
/* Makes a statement ready for its next use. */
void index_rest(struct index *, enum statement);

void index_bind_text(sqlite3_stmt *, int at, const char *text_or_null);
/* Binds the normal URL of a key, or NULL where that is the key itself. 0, or -1: no memory. */
int index_bind_normal(sqlite3_stmt *, int at, const char *url);

/* One step of a question. FOUND: a row is there to read. The caller rests the statement. */
enum index_result index_ask(struct index *, enum statement, const char *what);
/* As index_connect(), for reading alone, also where nothing may be written. */
int index_connect_to_read(const char *dir, sqlite3 **db);
/* Steps through a statement, each row to row() until that is not 0. SQLITE_DONE, or what SQLite says. */
int index_give_rows(sqlite3_stmt *, int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx);
/* Carries an index of that older version along. Nobody else may use it. 0, or -1 with why, and it is as it was. */
int index_migrate(const char *dir, int from, struct buf *why);

/* The version of an index by its tables and columns, where the numbers that say so are missing; 0: it is none. */
int index_unsigned_version(sqlite3 *);
/* That it is not ours, or only lacks those numbers (unsigned_version), and what to do. */
void index_say_foreign(const char *dir, int64_t application, int64_t version, int unsigned_version, struct buf *why);
/* Is it an index of this very version? 0, or -1 with why. */
int index_check(sqlite3 *, const char *dir, struct buf *why);

/* Makes an empty file in dir, with its owner and mode (owner.h), without opening it (invariant 9). 0 or -1 with errno.
 */
int index_make_file(const char *dir, const char *name);
/* dir "/" name, malloc()ed. */
char *index_path(const char *dir, const char *name);
/* Opens index.db with these flags, as an immutable file if asked; connection manners set. An SQLite result code; *db
 * may be set also when it fails (for its message), and is to be closed. */
int index_connect(const char *dir, int flags, bool immutable, sqlite3 **db);

#endif
