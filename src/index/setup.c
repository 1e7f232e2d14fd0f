/*
 * Decides whether index.db may be used, once at the start, under the setup lock:
 *
 *	missing, or never finished            made: schema.sql in one transaction
 *	of another program, or newer          refused, and not changed in any way
 *	damaged                               set aside, its three files together, and made again
 *	ours                                  used, if it was filled as this process would fill it
 *	ours, of an older version             migrated first (migrate.c), if no other process uses it
 *
 * Only quick checks look for damage: opening the file, reading the schema, preparing every statement, and reading the
 * whole file when it is small. Damage that is found later leaves the mark $CACHE/damaged (index_mark_damaged), which
 * counts here.
 */
#include "index/setup.h"

#include "base/log.h"
#include "index/db_file.h"
#include "index/migrate.h"
#include "index/schema_sql.h"
#include "index/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Files up to this size are checked in full, in a few milliseconds. */
#define FULL_CHECK_BYTES (1 << 20)

enum found {
	FOUND_NOTHING,
	FOUND_OURS,
	FOUND_DAMAGED,
	FOUND_FOREIGN,
	FOUND_NEWER,
	FOUND_TROUBLE /* it could not be examined */
};

static int64_t size_of(const char *dir, const char *name)
{
	struct stat s;
	char *path = index_path(dir, name);
	int64_t size = path != NULL && stat(path, &s) == 0 ? s.st_size : -1;
	free(path);
	return size;
}

static void remove_file(const char *dir, const char *name)
{
	char *path = index_path(dir, name);
	if (path != NULL)
		unlink(path);
	free(path);
}

static const char *message(sqlite3 *db, int rc)
{
	return db != NULL && sqlite3_errcode(db) != SQLITE_OK ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
}

/* The first column of the first row, as a number. */
static int number(sqlite3 *db, const char *sql, int64_t *n)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			*n = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

/* Whose database is it? Without a WAL all data is in the one file, and SQLite may open it as immutable, so that it
 * touches nothing else. Not while there are other users, who may be in this process: closing such a connection drops
 * their locks (invariant 9). */
static enum found look(const char *dir, bool alone, int *found_version, struct buf *what)
{
	int64_t wal = size_of(dir, "index.db-wal");
	if (size_of(dir, "index.db") <= 0)
		return FOUND_NOTHING; /* a WAL without its file is useless: make() removes it */
	sqlite3 *db;
	int64_t application = 0, version = 0, objects = 0;
	int rc = index_connect(dir, SQLITE_OPEN_READONLY, alone && wal <= 0, &db);
	if (rc == SQLITE_OK)
		rc = number(db, "PRAGMA application_id", &application);
	if (rc == SQLITE_OK)
		rc = number(db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = number(db, "SELECT count(*) FROM sqlite_schema", &objects);
	int unsigned_version = rc == SQLITE_OK && (application == 0 || version == 0) ? index_unsigned_version(db) : 0;
	if (rc != SQLITE_OK)
		buf_adds(what, message(db, rc));
	sqlite3_close(db);
	if (index_is_damage(rc))
		return FOUND_DAMAGED;
	if (rc != SQLITE_OK)
		return FOUND_TROUBLE;
	if (application == 0 && objects == 0)
		return FOUND_NOTHING;
	if (application != INDEX_APPLICATION_ID || version == 0) {
		index_describe_foreign(dir, application, version, unsigned_version, what);
		return FOUND_FOREIGN;
	}
	if (version > INDEX_VERSION || version < 1) {
		buf_addf(what, "it has version %lld, and this curlew supports versions up to %d", (long long)version,
		    INDEX_VERSION);
		return FOUND_NEWER;
	}
	*found_version = (int)version;
	return FOUND_OURS;
}

/* After VACUUM INTO, a PRAGMA or a restored copy, the index is not in WAL mode. Then one reader stops every writer,
 * and nothing is stored. */
static void set_wal(sqlite3 *db, const char *dir)
{
	sqlite3_stmt *st = NULL;
	char was[16] = "wal";
	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		snprintf(was, sizeof was, "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	if (strcmp(was, "wal") == 0)
		return;
	st = NULL;
	bool is_wal = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &st, NULL) == SQLITE_OK &&
		      sqlite3_step(st) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
	sqlite3_finalize(st);
	if (is_wal)
		log_say("%s/index.db: its journal mode was %s and is WAL again", dir, was);
	else
		log_say("%s/index.db: its journal mode is %s and cannot be made WAL: %s (any reader stops storing; end "
			"the programs that have it open, then start again)",
		    dir, was, sqlite3_errmsg(db));
}

/* Is the reported fault a value in one row? Such a row is left out when it is read (row.h), and the other rows are
 * sound. */
static bool is_of_one_row(const char *fault)
{
	return strncmp(fault, "NULL value in ", 14) == 0 || strncmp(fault, "CHECK constraint failed in ", 27) == 0 ||
	       (strncmp(fault, "non-", 4) == 0 && strstr(fault, " value in ") != NULL);
}

/* SQLITE_OK; SQLITE_CORRUPT, with the fault of the file as a whole; or another error. */
static int check_pages(sqlite3 *db, const char *pragma, struct buf *what)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, pragma, -1, &st, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *fault = (const char *)sqlite3_column_text(st, 0);
		rc = SQLITE_OK;
		if (fault != NULL && strcmp(fault, "ok") != 0 && !is_of_one_row(fault)) {
			buf_adds(what, fault);
			rc = SQLITE_CORRUPT;
		}
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The header is ours. Is the file sound, as far as a quick check tells? A mark means that SQLite reported damage
 * while it was used. That also happens when the disk cannot be read for a moment, so then a full check decides. */
static enum found examine(const char *dir, struct buf *what)
{
	bool marked = size_of(dir, "damaged") >= 0;
	sqlite3 *db;
	int64_t n;
	int rc = index_connect(dir, SQLITE_OPEN_READWRITE, false, &db);
	if (rc == SQLITE_OK)
		rc = number(db, "SELECT edits FROM counter WHERE id = 1", &n);
	if (rc == SQLITE_OK && (marked || size_of(dir, "index.db") <= FULL_CHECK_BYTES))
		rc = check_pages(db, marked ? "PRAGMA integrity_check(10000)" : "PRAGMA quick_check(10000)", what);
	if (rc != SQLITE_OK && what->len == 0)
		buf_adds(what, message(db, rc));
	if (rc == SQLITE_OK)
		set_wal(db, dir);
	sqlite3_close(db);
	if (rc == SQLITE_OK && marked)
		remove_file(dir, "damaged");
	return rc == SQLITE_OK ? FOUND_OURS : index_is_damage(rc) ? FOUND_DAMAGED : FOUND_TROUBLE;
}

/* The WAL goes first: next to a new index.db it would be taken for the new WAL. */
static int set_aside(const char *dir, const char *what, struct buf *why)
{
	static const char *const parts[] = {"-wal", "-shm", ""};
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		char *from = NULL, *to = NULL;
		int rc = -1;
		if (asprintf(&from, "%s/index.db%s", dir, parts[i]) >= 0 &&
		    asprintf(&to, "%s/index.db.damaged-%s%s", dir, stamp, parts[i]) >= 0)
			rc = rename(from, to);
		if (rc < 0 && errno != ENOENT) {
			buf_addf(why, "%s/index.db%s: damaged (%s), and cannot be set aside: %s", dir, parts[i], what,
			    strerror(errno));
			free(from);
			free(to);
			return -1;
		}
		free(from);
		free(to);
	}
	remove_file(dir, "damaged");
	log_say("%s/index.db: DAMAGED: %s (set aside as index.db.damaged-%s; a new, empty index is made)", dir, what,
	    stamp);
	return 0;
}

/* auto_vacuum works only before the first table exists, and WAL mode only outside a transaction. All else is one
 * transaction, so after a crash here the index is made again. Bodies that exist already belong to an earlier index. */
static int make(const char *dir, const char *mode, struct buf *why)
{
	remove_file(dir, "index.db-wal");
	remove_file(dir, "index.db-shm");
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	char *body = index_path(dir, "body");
	bool leftover = body != NULL && access(body, F_OK) == 0;
	index_make_file(dir, "index.db"); /* after an error SQLite reports why */
	int rc = index_connect(dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db,
		    "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
		    "BEGIN IMMEDIATE",
		    NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, schema_sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK && leftover)
		rc = sqlite3_exec(
		    db, "INSERT INTO setting VALUES ('sweep_outside', (SELECT names FROM counter))", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "INSERT INTO setting VALUES ('mode', ?1)", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_text(st, 1, mode != NULL ? mode : "shared", -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	if (rc == SQLITE_DONE)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		buf_addf(why, "%s/index.db: cannot be made: %s", dir, message(db, rc));
	sqlite3_finalize(st);
	sqlite3_close(db);
	free(body);
	return rc == SQLITE_OK ? 0 : INDEX_UNREACHABLE;
}

/* Writes "a\nb" on one line. */
static void add_words(struct buf *b, const char *mode)
{
	for (const char *p = mode; *p != '\0'; p++)
		buf_addc(b, *p == '\n' ? ' ' : *p);
}

static bool is_empty(sqlite3 *db)
{
	int64_t rows = 0;
	return number(db, "SELECT EXISTS (SELECT 1 FROM entry) OR EXISTS (SELECT 1 FROM part)", &rows) == SQLITE_OK &&
	       rows == 0;
}

/* An empty cache that nobody uses may be filled in another way. */
static int set_mode(const char *dir, const char *mode)
{
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	int rc = index_connect(dir, SQLITE_OPEN_READWRITE, false, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db,
		    "UPDATE setting SET value = ?1 WHERE name = 'mode' AND NOT EXISTS (SELECT 1 FROM entry)", -1, &st,
		    NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, mode, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	bool changed = rc == SQLITE_DONE && sqlite3_changes(db) == 1;
	sqlite3_finalize(st);
	sqlite3_close(db);
	return changed ? 0 : -1;
}

/* A cache that was filled as private must not be read as shared: private responses would go to everybody. */
static int check_mode(const char *dir, const char *mode, bool alone, struct buf *why)
{
	if (mode == NULL)
		return 0; /* nothing will be stored, so the mode does not matter */
	sqlite3 *db;
	sqlite3_stmt *st = NULL;
	int result = -1;
	int rc = index_connect(dir, SQLITE_OPEN_READONLY, false, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "SELECT value FROM setting WHERE name = 'mode'", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	const char *was = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
	if (was == NULL) {
		buf_addf(why, "%s/index.db: its setting 'mode' cannot be read: %s", dir, message(db, rc));
	} else if (strcmp(was, mode) != 0 && !(alone && is_empty(db) && set_mode(dir, mode) == 0)) {
		buf_addf(why, "%s: this cache was filled as \"", dir);
		add_words(why, was);
		buf_adds(why, "\" and would now be used as \"");
		add_words(why, mode);
		buf_adds(why, "\" (use the same options, or another directory with --cache)");
	} else {
		result = 0;
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return result;
}

/* The WAL needs shared memory for all users of the file, which a network file system does not provide. */
static const char *network_file_system(const char *dir)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {{0x6969, "NFS"}, {0x517b, "SMB"}, {0xff534d42, "CIFS"}, {0xfe534d42, "SMB"}, {0x01021997, "9P"},
	    {0x00c36400, "Ceph"}, {0x5346414f, "AFS"}, {0x6b414653, "AFS"}, {0x73757245, "Coda"}, {0x564c, "NCP"},
	    {0x0bd00bd0, "Lustre"}, {0x7461636f, "OCFS2"}, {0x01161970, "GFS2"}, {0x47504653, "GPFS"}};
	struct statfs s;
	if (statfs(dir, &s) == 0)
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			if (((unsigned long)s.f_type & 0xffffffff) == known[i].magic)
				return known[i].name;
	return NULL;
}

int index_setup(const char *dir, const char *mode, bool alone, struct buf *why)
{
	const char *network = network_file_system(dir);
	if (network != NULL) {
		buf_addf(why,
		    "%s: it is on a network file system (%s), where SQLite's WAL does not work (choose a local "
		    "directory with "
		    "--cache)",
		    dir, network);
		return INDEX_UNREACHABLE;
	}

	int result = INDEX_REFUSED;
	struct buf what;
	buf_init(&what, BUF_LINE);
	int version = INDEX_VERSION;
	enum found found = look(dir, alone, &version, &what);
	if (found == FOUND_OURS)
		found = examine(dir, &what);
	switch (found) {
	case FOUND_OURS:
		if (version < INDEX_VERSION && !alone)
			buf_addf(
			    why, "%s/index.db: made by an older curlew, which is still running (stop it first)", dir);
		else if (version >= INDEX_VERSION || index_migrate(dir, version, why) == 0)
			result = check_mode(dir, mode, alone, why);
		break;
	case FOUND_NOTHING:
		if (!alone)
			buf_addf(why,
			    "%s/index.db: it was removed while another curlew uses the cache (restart the other one "
			    "first)",
			    dir);
		else
			result = make(dir, mode, why);
		break;
	case FOUND_DAMAGED:
		if (!alone)
			buf_addf(why, "%s/index.db: damaged: %s, and another curlew uses it (restart the other one)",
			    dir, buf_str(&what));
		else if (set_aside(dir, buf_str(&what), why) == 0)
			result = make(dir, mode, why);
		break;
	case FOUND_FOREIGN:
		buf_addspan(why, buf_span(&what));
		break;
	case FOUND_NEWER:
		buf_addf(why,
		    "%s/index.db: made by a newer curlew: %s (nothing was changed; upgrade, or choose another "
		    "directory with "
		    "--cache)",
		    dir, buf_str(&what));
		break;
	case FOUND_TROUBLE:
		buf_addf(why, "%s/index.db: cannot be opened: %s", dir, buf_str(&what));
		result = INDEX_UNREACHABLE;
		break;
	}
	buf_fini(&what);
	return result;
}
