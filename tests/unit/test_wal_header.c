/* A commit of any connection changes the header of the WAL-index, and nothing else does that matters. */
#include "index/wal_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	char folder[64], file[96];
	sqlite3 *reader, *other;
};

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static void set_up(struct pair *p, const char *mode)
{
	char pragma[64];
	snprintf(p->folder, sizeof p->folder, "/tmp/test_wal_header.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->file, sizeof p->file, "%s/db", p->folder);
	snprintf(pragma, sizeof pragma, "PRAGMA journal_mode = %s", mode);
	assert_int_equal(sqlite3_open(p->file, &p->other), SQLITE_OK);
	run(p->other, pragma);
	run(p->other, "CREATE TABLE t (n)");
	assert_int_equal(sqlite3_open(p->file, &p->reader), SQLITE_OK);
	run(p->reader, "SELECT * FROM t");
}

static void tear_down(struct pair *p)
{
	sqlite3_close(p->reader);
	sqlite3_close(p->other);
	unlink(p->file);
	assert_int_equal(rmdir(p->folder), 0);
}

/* Each statement runs in the other connection. */
static const struct {
	const char *sql;
	bool same;
	const char *reason;
} rows[] = {
    {"SELECT count(*) FROM t", true, "a read"},
    {"BEGIN IMMEDIATE; INSERT INTO t VALUES (1)", true, "not committed yet"},
    {"COMMIT", false, "a commit"},
    {"BEGIN IMMEDIATE; INSERT INTO t VALUES (1); ROLLBACK", true, "rolled back"},
    {"BEGIN IMMEDIATE; COMMIT", true, "a commit of nothing"},
    {"INSERT INTO t VALUES (2)", false, "one statement"},
    {"UPDATE t SET n = 3", false, "an update"},
    {"PRAGMA wal_checkpoint(PASSIVE)", true, "a checkpoint moves pages, but changes none"},
    {"DELETE FROM t", false, "the first commit after a checkpoint begins the WAL again"},
    {"PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (4)", false, "the WAL is emptied first"},
    {"VACUUM", false, "all pages are written again"},
};

static void a_commit_of_another_connection_is_seen(void **state)
{
	(void)state;
	struct pair p;
	struct wal_header h = {0};
	set_up(&p, "WAL");
	assert_false(wal_header_is_same(&h));
	wal_header_find(&h, p.reader);
	assert_non_null(h.shared);
	assert_false(wal_header_is_same(&h));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		wal_header_note(&h);
		assert_true(wal_header_is_same(&h));
		run(p.other, rows[i].sql);
		if (wal_header_is_same(&h) != rows[i].same)
			fail_msg("%s: %s", rows[i].sql, rows[i].reason);
	}
	tear_down(&p);
}

static void a_commit_of_our_own_is_seen_too(void **state)
{
	(void)state;
	struct pair p;
	struct wal_header h = {0};
	set_up(&p, "WAL");
	wal_header_find(&h, p.reader);
	wal_header_note(&h);
	run(p.reader, "INSERT INTO t VALUES (1)");
	assert_false(wal_header_is_same(&h));
	tear_down(&p);
}

static void without_a_wal_there_is_no_header(void **state)
{
	(void)state;
	struct pair p;
	struct wal_header h = {0};
	set_up(&p, "DELETE");
	wal_header_find(&h, p.reader);
	wal_header_note(&h);
	assert_false(wal_header_is_same(&h));
	tear_down(&p);
}

static void a_header_that_is_being_written_is_never_the_same(void **state)
{
	(void)state;
	uint64_t shared[2 * WAL_HEADER_WORDS] = {3007000};
	struct wal_header h = {.shared = shared};
	shared[WAL_HEADER_WORDS] = 3007000;
	wal_header_note(&h);
	assert_true(wal_header_is_same(&h));
	shared[WAL_HEADER_WORDS + 2]++; /* the second copy comes first */
	assert_false(wal_header_is_same(&h));
	wal_header_note(&h);
	assert_false(wal_header_is_same(&h));
	shared[2]++;
	assert_false(wal_header_is_same(&h));
	wal_header_note(&h);
	assert_true(wal_header_is_same(&h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_commit_of_another_connection_is_seen),
	    cmocka_unit_test(a_commit_of_our_own_is_seen_too),
	    cmocka_unit_test(without_a_wal_there_is_no_header),
	    cmocka_unit_test(a_header_that_is_being_written_is_never_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
