/*
 * One connection: opening, its statements, its questions. setup.c decides whether the file may be used at all,
 * entry_write.c has what the writer does within a transaction, query.c the questions of verbs.
 *
 * All statements (statements.c) are prepared when the connection opens: bad SQL fails at start. They are used through
 * three moves: bind, step, index_rest(); between uses every statement is reset and its bindings are cleared, so that
 * none holds a read transaction open (a forgotten one would keep the WAL from ever being checkpointed).
 *
 * Memory: no mmap, because a disk error under a mapped file would be a signal instead of an answer (invariant 6). The
 * page caches are small; what is hot beyond them the kernel holds once for all connections.
 */
#include "index/row.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/stats.h"
#include "http/key.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- opening --- */

static void configure_sqlite(void)
{
	/* SQLite's books on memory are one lock for all threads, and nobody reads them. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_initialize();
}

char *index_path(const char *dir, const char *name)
{
	char *path = NULL;
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* As a URI, so that the path may hold anything and parameters can follow. */
static char *uri_of(const char *path, const char *parameters)
{
	struct buf b;
	buf_init(&b, BUF_LINE);
	buf_adds(&b, path[0] == '/' ? "file://" : "file:"); /* with an empty authority: "//x" alone would name one */
	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '%' || *p == '?' || *p == '#')
			buf_addf(&b, "%%%02X", (unsigned)*p);
		else
			buf_addc(&b, *p);
	}
	buf_adds(&b, parameters);
	char *uri = b.failed ? NULL : buf_take(&b);
	buf_fini(&b);
	return uri;
}

int index_connect(const char *dir, int flags, bool immutable, sqlite3 **db)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, configure_sqlite);

	*db = NULL;
	int rc = SQLITE_NOMEM;
	char *path = index_path(dir, "index.db");
	char *uri = path != NULL ? uri_of(path, immutable ? "?immutable=1" : "") : NULL;
	if (uri == NULL)
		goto out;
	rc = sqlite3_open_v2(uri, db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK)
		goto out;
	/* -wal and -shm stay when the last connection closes: who may not write can still read a stopped cache. */
	int one = 1;
	sqlite3_file_control(*db, "main", SQLITE_FCNTL_PERSIST_WAL, &one);
	sqlite3_busy_timeout(*db, 1000);
out:
	free(uri);
	free(path);
	return rc;
}

/* Someone else's transaction is waited for in small steps, 50 ms in all: the writer has other things to see to. */
static int wait_for_lock(void *unused, int tries)
{
	(void)unused;
	if (tries >= 50)
		return 0;
	clock_pause_us(1000);
	return 1;
}

static int count_frames(void *arg, sqlite3 *db, const char *schema, int frames)
{
	(void)db;
	(void)schema;
	struct index *ix = arg;
	atomic_store(&ix->wal_frames, frames);
	return SQLITE_OK;
}

static int set_manners(struct index *ix)
{
	static const char *const manners[] = {
	    [INDEX_READER] = "PRAGMA cache_size = -4000; PRAGMA query_only = ON;",
	    [INDEX_GUEST] = "PRAGMA query_only = ON;",
	    [INDEX_MAINTENANCE] =
		"PRAGMA cache_size = -1000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;",
	    /* secure_delete, Debian's default, would write zeros over all that is deleted. */
	    [INDEX_WRITER] =
		("PRAGMA cache_size = -16000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; "
		 "PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;"),
	};
	int rc = sqlite3_exec(ix->db, manners[ix->role], NULL, NULL, NULL);
	if (rc == SQLITE_OK && ix->role == INDEX_WRITER) {
		rc = sqlite3_busy_handler(ix->db, wait_for_lock, NULL);
		sqlite3_wal_hook(ix->db, count_frames, ix); /* in place of SQLite's own checkpoints */
	}
	return rc;
}

struct index *index_open(const char *dir, enum index_role role, struct buf *why)
{
	static const unsigned bits[] = {[INDEX_READER] = READER,
	    [INDEX_WRITER] = WRITER,
	    [INDEX_MAINTENANCE] = MAINTENANCE,
	    [INDEX_GUEST] = READER};
	struct index *ix = calloc(1, sizeof *ix);
	if (ix == NULL || (ix->dir = strdup(dir)) == NULL) {
		free(ix);
		buf_adds(why, "no memory for the index");
		return NULL;
	}
	ix->role = role;
	int rc = role == INDEX_GUEST ? index_connect_to_read(dir, &ix->db)
				     : index_connect(dir, SQLITE_OPEN_READWRITE, false, &ix->db);
	if (rc == SQLITE_OK && role == INDEX_GUEST && index_check(ix->db, dir, why) != 0) {
		index_close(ix);
		return NULL;
	}
	if (rc == SQLITE_OK)
		rc = set_manners(ix);
	for (int i = 0; i < STATEMENTS && rc == SQLITE_OK; i++)
		if (index_statements[i].roles & bits[role])
			rc = sqlite3_prepare_v3(
			    ix->db, index_statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &ix->statements[i], NULL);
	if (rc != SQLITE_OK) {
		buf_addf(why, "%s/index.db: %s", dir, ix->db != NULL ? sqlite3_errmsg(ix->db) : sqlite3_errstr(rc));
		if (index_is_damage(rc) && role != INDEX_GUEST)
			index_mark_damaged(dir);
		index_close(ix);
		return NULL;
	}
	return ix;
}

void index_close(struct index *ix)
{
	if (ix == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(ix->statements[i]);
	sqlite3_close(ix->db);
	free(ix->dir);
	free(ix);
}

/* --- manners of a statement --- */

bool index_is_damage(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

void index_mark_damaged(const char *dir)
{
	index_make_file(dir, "damaged");
}

int index_make_file(const char *dir, const char *name)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -1;
	struct owner owner = owner_of(dir_fd);
	int rc = owner_make_file(&owner, dir_fd, name);
	close(dir_fd);
	return rc;
}

int index_trouble(struct index *ix, const char *what)
{
	int rc = sqlite3_extended_errcode(ix->db);
	stats_add(STATS_STORE_TROUBLE, 1);
	if (index_is_damage(rc)) {
		index_mark_damaged(ix->dir);
		log_trouble("index damaged",
		    "%s/index.db: %s: %s (it is damaged: answers go unstored where it is; it will be set aside at "
		    "the next start)",
		    ix->dir, what, sqlite3_errmsg(ix->db));
	} else {
		log_trouble(
		    "index", "%s/index.db: %s: %s (answers go on, unstored)", ix->dir, what, sqlite3_errmsg(ix->db));
	}
	return -1;
}

void index_rest(struct index *ix, enum statement s)
{
	sqlite3_reset(ix->statements[s]);
	sqlite3_clear_bindings(ix->statements[s]);
}

/* Some errors make SQLite roll the whole transaction back; what comes behind must not be done outside of any. */
static bool has_lost_its_transaction(const struct index *ix, enum statement s)
{
	return ix->who != NULL && s != COMMIT && s != ROLLBACK && !index_in_transaction(ix);
}

int index_run(struct index *ix, enum statement s, const char *what)
{
	int rc;
	if (has_lost_its_transaction(ix, s))
		return -1;
	do
		rc = sqlite3_step(ix->statements[s]);
	while (rc == SQLITE_ROW);
	int result = rc == SQLITE_DONE ? 0 : index_trouble(ix, what);
	index_rest(ix, s);
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

enum index_result index_ask(struct index *ix, enum statement s, const char *what)
{
	if (has_lost_its_transaction(ix, s))
		return INDEX_BROKEN;
	int rc = sqlite3_step(ix->statements[s]);
	if (rc == SQLITE_ROW)
		return INDEX_FOUND;
	if (rc == SQLITE_DONE)
		return INDEX_ABSENT;
	index_trouble(ix, what);
	return INDEX_BROKEN;
}

/* --- rows --- */

static void read_entry(struct entry *e, struct index_row *r)
{
	e->id = index_row_id(r);
	e->url = index_row_text(r, "url is not text");
	e->vary = index_row_text(r, "vary is not text");
	e->status = (int)index_row_number(r, "status is not a number from 200 to 599", 200, 599);
	e->headers = index_row_text(r, "headers is not text");
	e->etag = index_row_text_or_null(r, "etag is not text");
	e->last_modified = index_row_text_or_null(r, "last_modified is not text");
	e->body_file = index_row_text_or_null(r, "body_file is not text");
	e->body_bytes = index_row_number(r, "body_bytes is not a possible size", 0, ROW_BYTES_MAX);
	e->has_sha256 = index_row_sha256(r, "sha256 is not 32 bytes", e->sha256);
	e->fetched_at = index_row_number(r, "fetched_at is not a possible time", 0, ROW_TIME_MAX);
	e->initial_age_s = index_row_number(r, "initial_age_s is not a possible age", 0, ROW_TIME_MAX);
	e->fresh_until = index_row_time(r, "fresh_until is not a number");
	e->stale_until = index_row_time(r, "stale_until is not a number");
	e->used_at = index_row_time(r, "used_at is not a number");
	e->hits = index_row_number(r, "hits is not a number, 0 or more", 0, INT64_MAX);
	e->pinned = index_row_number(r, "pinned is not 0 or 1", 0, 1) != 0;
	e->tag = index_row_text_or_null(r, "tag is not text");
	e->note = index_row_text_or_null(r, "note is not text");
	e->rule_id = index_row_number_or(r, "rule_id is not a number", INT64_MIN, INT64_MAX, 0);
	e->reason = index_row_text_or_null(r, "reason is not text");
	e->dns_ms = index_row_ms(r);
	e->connect_ms = index_row_ms(r);
	e->ttfb_ms = index_row_ms(r);
	e->total_ms = index_row_ms(r);
	e->edited = sqlite3_column_int(r->st, r->next++) != 0;
	e->edits = sqlite3_column_int64(r->st, r->next++);
}

/* The row FIND or ENTRIES stands on. *is says why there is no entry where there is none. */
struct entry *index_entry(const struct index *ix, sqlite3_stmt *st, enum index_row_is *is)
{
	struct index_row r = index_row_begin(st);
	struct entry *e = calloc(1, sizeof *e);
	r.no_memory = e == NULL;
	if (e != NULL)
		read_entry(e, &r);
	if (!r.no_memory && r.wrong == NULL)
		r.wrong = entry_fault(e);
	*is = index_row_end(&r, ix, "entry", sqlite3_column_int64(st, 0));
	if (*is == ROW_GOOD)
		return e;
	entry_free(e);
	return NULL;
}

/* When the response was made, as far as we know; between equals the one that came last. */
static bool more_recent(const struct entry *a, const struct entry *b)
{
	int64_t made_a = a->fetched_at - a->initial_age_s, made_b = b->fetched_at - b->initial_age_s;
	return made_a != made_b ? made_a > made_b : a->fetched_at > b->fetched_at;
}

/* Into its place by recency. Variants are few, so insertion will do. */
static int add_row(struct index_rows *rows, struct entry *e)
{
	if ((rows->count & (rows->count - 1)) == 0) {
		size_t room = rows->count == 0 ? 1 : 2 * rows->count;
		struct entry **bigger = realloc(rows->entries, room * sizeof *bigger);
		if (bigger == NULL)
			return -1;
		rows->entries = bigger;
	}
	size_t i = rows->count++;
	for (; i > 0 && more_recent(e, rows->entries[i - 1]); i--)
		rows->entries[i] = rows->entries[i - 1];
	rows->entries[i] = e;
	return 0;
}

/* 0, also where the row is not to be used: then it is as if it were not there. -1: no memory, logged. */
static int take_row(const struct index *ix, sqlite3_stmt *st, const char *url, struct index_rows *rows)
{
	enum index_row_is is;
	struct entry *e = index_entry(ix, st, &is);
	bool ours = e != NULL && strcmp(e->url, url) == 0; /* a damaged page may lead from one URL to the row of another
							    */
	if (ours && add_row(rows, e) == 0)
		return 0;
	if (ours)
		log_trouble("memory", "no memory for a row of the index");
	entry_free(e);
	return ours || is == ROW_NO_MEMORY ? -1 : 0;
}

enum index_result index_find(struct index *ix, const char *url, struct index_rows *rows)
{
	*rows = (struct index_rows){0};
	sqlite3_stmt *st = ix->statements[FIND];
	sqlite3_bind_text(st, 1, url, -1, SQLITE_STATIC);
	enum index_result found;
	while ((found = index_ask(ix, FIND, "looking up a URL")) == INDEX_FOUND) {
		if (take_row(ix, st, url, rows) < 0) {
			found = INDEX_BROKEN;
			break;
		}
	}
	index_rest(ix, FIND);
	if (found == INDEX_ABSENT && rows->count > 0)
		return INDEX_FOUND;
	index_rows_free(rows);
	return found;
}

enum index_result index_still(struct index *ix, int64_t id, const char *body_file)
{
	sqlite3_bind_int64(ix->statements[STILL], 1, id);
	index_bind_text(ix->statements[STILL], 2, body_file);
	enum index_result found = index_ask(ix, STILL, "looking up a row");
	index_rest(ix, STILL);
	return found;
}

static bool same_text(sqlite3_stmt *st, int c, const char *text)
{
	const unsigned char *now = sqlite3_column_text(st, c);
	if (now == NULL || text == NULL)
		return now == NULL && text == NULL;
	size_t n = strlen(text);
	return n == (size_t)sqlite3_column_bytes(st, c) && memcmp(now, text, n) == 0;
}

static bool same_number(sqlite3_stmt *st, int c, int64_t n)
{
	struct index_row r = {.st = st, .next = c};
	return index_row_time(&r, "") == n && r.wrong == NULL;
}

/* The columns an answer depends on; keep in step with the trigger entry_edited. */
static bool same_answer(sqlite3_stmt *st, const struct entry *e)
{
	return sqlite3_column_int64(st, 0) == e->id && same_text(st, 1, e->url) && same_text(st, 2, e->vary) &&
	       same_number(st, 3, e->status) && same_text(st, 4, e->headers) && same_text(st, 5, e->etag) &&
	       same_text(st, 6, e->last_modified) && same_text(st, 7, e->body_file) &&
	       same_number(st, 8, e->body_bytes) && same_number(st, 10, e->fetched_at) &&
	       same_number(st, 11, e->initial_age_s) && same_number(st, 12, e->fresh_until) &&
	       same_number(st, 13, e->stale_until);
}

enum index_result index_confirm(struct index *ix, const struct entry *e)
{
	sqlite3_stmt *st = ix->statements[FIND];
	sqlite3_bind_text(st, 1, e->url, -1, SQLITE_STATIC);
	enum index_result found = index_ask(ix, FIND, "confirming an answer");
	if (found == INDEX_FOUND && !same_answer(st, e))
		found = INDEX_ABSENT;
	if (found == INDEX_FOUND) {
		enum index_result second = index_ask(ix, FIND, "confirming an answer");
		found = second == INDEX_ABSENT ? INDEX_FOUND : second == INDEX_FOUND ? INDEX_ABSENT : INDEX_BROKEN;
	}
	index_rest(ix, FIND);
	return found;
}

/* --- numbers --- */

int64_t index_version(struct index *ix)
{
	int64_t version = -1;
	if (index_ask(ix, VERSION, "asking whether anything changed") == INDEX_FOUND)
		version = sqlite3_column_int64(ix->statements[VERSION], 0);
	sqlite3_reset(ix->statements[VERSION]);
	return version;
}

int index_totals(struct index *ix, struct index_totals *t)
{
	sqlite3_stmt *st = ix->statements[TOTALS];
	enum index_result found = index_ask(ix, TOTALS, "reading the counters");
	if (found == INDEX_FOUND)
		*t = (struct index_totals){sqlite3_column_int64(st, 0), index_size(st, 1), index_size(st, 2),
		    sqlite3_column_int(st, 3) != 0, sqlite3_column_int(st, 4) != 0};
	sqlite3_reset(st);
	return found == INDEX_FOUND ? 0 : -1;
}

int64_t index_edits(struct index *ix)
{
	struct index_totals t;
	return index_totals(ix, &t) == 0 ? t.edits : -1;
}

int64_t index_names(struct index *ix)
{
	int64_t names = index_ask(ix, NAMES, "reading the counters") == INDEX_FOUND
			    ? sqlite3_column_int64(ix->statements[NAMES], 0)
			    : -1;
	index_rest(ix, NAMES);
	return names;
}

int64_t index_setting(struct index *ix, const char *name)
{
	sqlite3_stmt *st = ix->statements[SETTING];
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	enum index_result found = index_ask(ix, SETTING, "reading a setting");
	int64_t value = found == INDEX_FOUND ? sqlite3_column_int64(st, 0) : found == INDEX_ABSENT ? 0 : -1;
	index_rest(ix, SETTING);
	return value;
}

int index_pages(struct index *ix, int64_t *pages, int64_t *free_pages)
{
	enum index_result found = index_ask(ix, PAGES, "counting pages");
	if (found == INDEX_FOUND) {
		*pages = sqlite3_column_int64(ix->statements[PAGES], 0);
		*free_pages = sqlite3_column_int64(ix->statements[PAGES], 1);
	}
	index_rest(ix, PAGES);
	return found == INDEX_FOUND ? 0 : -1;
}

/* --- the keeper's questions --- */

enum index_result index_owner(struct index *ix, const char *body_file, struct index_owner *o)
{
	sqlite3_stmt *st = ix->statements[OWNER];
	sqlite3_bind_text(st, 1, body_file, -1, SQLITE_STATIC);
	enum index_result found = index_ask(ix, OWNER, "asking who owns a body");
	if (found == INDEX_FOUND) {
		struct index_row r = index_row_begin(st);
		o->entry_id = index_row_id(&r);
		o->body_bytes = index_row_number(&r, "", 0, ROW_BYTES_MAX); /* -1 is the size of no file */
		o->has_sha256 = index_row_sha256(&r, "", o->sha256);
		if (r.wrong != NULL)
			o->body_bytes = -1;
	}
	index_rest(ix, OWNER);
	return found;
}

/* Into a field of fixed size; "" when it does not fit. */
static void copy_text(char *to, size_t room, sqlite3_stmt *st, int c)
{
	const unsigned char *text = sqlite3_column_text(st, c);
	size_t n = (size_t)sqlite3_column_bytes(st, c);
	if (text == NULL || n >= room || memchr(text, '\0', n) != NULL)
		n = 0; /* not a name of ours */
	if (n > 0)
		memcpy(to, text, n);
	to[n] = '\0';
}

int index_trash(struct index *ix, int64_t after, struct index_trash *items, int max)
{
	sqlite3_stmt *st = ix->statements[TRASH];
	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int(st, 2, max);
	int n = 0;
	enum index_result found = INDEX_ABSENT;
	for (; n < max && (found = index_ask(ix, TRASH, "reading the trash")) == INDEX_FOUND; n++) {
		items[n].id = sqlite3_column_int64(st, 0);
		copy_text(items[n].file, sizeof items[n].file, st, 1);
		items[n].owned = sqlite3_column_int(st, 2) != 0;
	}
	index_rest(ix, TRASH);
	return found == INDEX_BROKEN ? -1 : n;
}

int index_leases(struct index *ix, int64_t after, struct index_lease *leases, int max)
{
	sqlite3_stmt *st = ix->statements[LEASES];
	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int(st, 2, max);
	int n = 0;
	enum index_result found = INDEX_ABSENT;
	for (; n < max && (found = index_ask(ix, LEASES, "reading the leases")) == INDEX_FOUND; n++) {
		leases[n].id = sqlite3_column_int64(st, 0);
		leases[n].owner = sqlite3_column_int64(st, 1);
		leases[n].first = sqlite3_column_int64(st, 2);
		leases[n].synced = sqlite3_column_int64(st, 3);
		leases[n].behind = sqlite3_column_int64(st, 4);
		copy_text(leases[n].boot, sizeof leases[n].boot, st, 5);
	}
	index_rest(ix, LEASES);
	return found == INDEX_BROKEN ? -1 : n;
}

int index_wal_frames(const struct index *ix)
{
	return atomic_load(&ix->wal_frames);
}

int index_checkpoint(struct index *ix, int *log, int *done)
{
	int rc = sqlite3_wal_checkpoint_v2(ix->db, "main", SQLITE_CHECKPOINT_PASSIVE, log, done);
	if (rc == SQLITE_OK)
		return 0;
	if ((rc & 0xff) == SQLITE_BUSY) /* somebody else is checkpointing, which is as good; the numbers say nothing
					   then */
		return -1;
	return index_trouble(ix, "checkpoint");
}
