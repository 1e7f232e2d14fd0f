/* What maintenance does: trash, quota, sweeps after a crash, bodies a power cut may have torn, a reader that does not
 * finish. */
#include "unit/store_fixture.h"

#include <sys/file.h>

/* --- trash --- */

static void the_file_of_a_row_deleted_in_the_shell_is_reclaimed(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	put(h->store, "http://a/2", "two");
	struct entry *e = find(h->store, "http://a/1");
	int fd = store_open_body(h->store, e);
	assert_true(fd >= 0);
	sql(h, "DELETE FROM entry WHERE url = 'http://a/1'");
	EVENTUALLY(!exists(h, e->body_file));
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM trash") == 0);
	assert_int_equal(count_files(h, "body"), 1);
	assert_true(is_stored(h->store, "http://a/2"));
	/* Who was reading goes on. */
	char got[8];
	assert_int_equal(pread(fd, got, sizeof got, 0), 3);
	close(fd);
	entry_free(e);
	assert_counted(h);
}

static void trash_removes_only_body_files_that_no_row_owns(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	write_file(h, "precious", "mine");
	write_file(h, "body/precious", "mine");
	sql(h, "INSERT INTO trash (file) SELECT body_file FROM entry; INSERT INTO trash (file) VALUES ('precious'), "
	       "('../precious'), "
	       "('/etc/hostname'), ('body/../precious'), ('body/precious'), ('body/00/../../precious'), ('index.db'), "
	       "(''), "
	       "('body/zz/000000000001'), ('body/00/00000000000G'), (printf('%.200c', 'x')), ('body/00/000000000001')");
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM trash") == 0);
	assert_true(exists(h, "precious"));
	assert_true(exists(h, "body/precious"));
	struct entry *e = find(h->store, "http://a/1");
	assert_true(body_is(h->store, e, "one"));
	entry_free(e);
}

static void much_trash_is_emptied_and_putting_goes_on_meanwhile(void **state)
{
	struct house *h = *state;
	for (int i = 0; i < 500; i++) {
		char url[64];
		snprintf(url, sizeof url, "http://a/%d", i);
		put(h->store, url, "x");
	}
	sql(h, "DELETE FROM entry");
	put(h->store, "http://b/1", "kept");
	EVENTUALLY(count_files(h, "body") == 1);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM trash") == 0);
	assert_true(is_stored(h->store, "http://b/1"));
	assert_counted(h);
}

/* --- quota --- */

static void store_some(struct house *h, int from, int behind)
{
	char body[1025];
	memset(body, 'x', 1024);
	body[1024] = '\0';
	for (int i = from; i < behind; i++) {
		char url[64];
		snprintf(url, sizeof url, "http://a/%d", i);
		put(h->store, url, body);
	}
}

/* S3-FIFO in small: who was visited twice before its turn goes on to main, who was not leaves a ghost and comes back
 * into main. */
static void the_quota_is_kept_in_the_order_of_eviction(void **state)
{
	struct house *h = *state;
	reopen(h, 20 * 1024);
	store_some(h, 0, 20);
	assert_int_equal(sql_number(h, "SELECT count(*) FROM entry WHERE queue = 'new'"), 20);
	sql(h, "UPDATE entry SET pinned = 1 WHERE url = 'http://a/0'; UPDATE entry SET visits = 2 WHERE url = "
	       "'http://a/1'; "
	       "UPDATE entry SET visits = 1 WHERE url = 'http://a/2'");
	assert_int_equal(sql_number(h, "SELECT url = 'http://a/2' FROM v_evict_next WHERE nth = 1"), 1);
	store_some(h, 20, 30);
	EVENTUALLY(sql_number(h, "SELECT bytes FROM counter") <= 20 * 1024);
	assert_true(is_stored(h->store, "http://a/0"));
	assert_true(is_stored(h->store, "http://a/1"));
	assert_int_equal(sql_number(h, "SELECT queue = 'main' AND visits = 0 FROM entry WHERE url = 'http://a/1'"), 1);
	assert_false(is_stored(h->store, "http://a/2")); /* one visit is not enough for a body of the average size */
	assert_false(is_stored(h->store, "http://a/11"));
	assert_true(is_stored(h->store, "http://a/12"));
	assert_int_equal(sql_number(h, "SELECT count(*) FROM ghost"), 10);
	store_some(h, 2, 3);
	assert_int_equal(sql_number(h, "SELECT queue = 'main' FROM entry WHERE url = 'http://a/2'"), 1);
	assert_counted(h);
	EVENTUALLY(count_files(h, "body") == 20);
}

static void the_number_of_entries_is_bounded(void **state)
{
	struct house *h = *state;
	h->max_entries = 5;
	reopen(h, 0);
	store_some(h, 0, 12);
	EVENTUALLY(sql_number(h, "SELECT entries FROM counter") == 5);
	assert_counted(h);
}

static void a_disk_without_room_is_relieved(void **state)
{
	struct house *h = *state;
	store_some(h, 0, 4);
	sql(h, "UPDATE entry SET pinned = 1 WHERE url = 'http://a/0'");
	h->min_free_percent = 100; /* of which no disk has as much free */
	reopen(h, 0);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM entry") == 1);
	assert_true(is_stored(h->store, "http://a/0"));
	struct entry *e = make_entry("http://a/9", "");
	EVENTUALLY(put_entry(h->store, e, "nine", NULL) == STORE_PUT_STOPPED); /* what is pinned cannot make room */
	entry_free(e);
	assert_counted(h);
	sql(h, "UPDATE entry SET pinned = 0");
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM entry") == 0);
	h->min_free_percent = 0;
	reopen(h, 0);
	assert_null(store_stopped(h->store));
	store_some(h, 9, 10); /* and things go on */
	assert_counted(h);
}

static void what_a_rule_pins_is_not_evicted(void **state)
{
	struct house *h = *state;
	sql(h, "INSERT INTO rule (url_glob, pin) VALUES ('http://a/*', 1); INSERT INTO rule (url_glob, pin, priority) "
	       "VALUES ('http://a/3', 0, 1)");
	reopen(h, 3 * 1024);
	store_some(h, 0, 5);
	EVENTUALLY(!is_stored(h->store, "http://a/3"));
	for (int i = 0; i < 5; i++) {
		char url[64];
		snprintf(url, sizeof url, "http://a/%d", i);
		assert_int_equal(is_stored(h->store, url), i != 3);
	}
	assert_int_equal(sql_number(h, "SELECT count(*) FROM v_evict_next"), 0);
}

static void pinned_rows_stay_even_above_the_quota(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "0123456789");
	put(h->store, "http://a/2", "0123456789");
	put(h->store, "http://a/3", "0123456789");
	sql(h, "UPDATE entry SET pinned = 1 WHERE url <> 'http://a/3'");
	reopen(h, 15);
	EVENTUALLY(!is_stored(h->store, "http://a/3"));
	assert_true(is_stored(h->store, "http://a/1"));
	assert_true(is_stored(h->store, "http://a/2"));
}

static void a_body_larger_than_the_quota_is_not_stored(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "0123");
	reopen(h, 8);
	struct entry *e = make_entry("http://a/2", "");
	assert_int_equal(put_entry(h->store, e, "0123456789", NULL), STORE_PUT_TROUBLE);
	entry_free(e);
	assert_true(is_stored(h->store, "http://a/1"));
	assert_int_equal(count_files(h, "body"), 1);
}

/* --- after a crash (invariant 3) --- */

/* What main() does in the process that crash_in_another_process() makes: dies with bodies in every state of flight, and
 * one stored. */
static int crash(const char *dir)
{
	struct house mine = {0};
	buf_init(&mine.why, BUF_LINE);
	snprintf(mine.dir, sizeof mine.dir, "%s", dir);
	if (open_store(&mine, 0) == NULL)
		_exit(1);
	put(mine.store, "http://crashed/1", "stored");
	make_body(mine.store, "in flight", 9, false, false);
	make_body(mine.store, "in flight", 9, false, true);
	make_body(mine.store, "in flight", 9, true, false);
	make_body(mine.store, "in flight", 9, true, true);
	_exit(0);
}

/* A program of its own: neither SQLite nor threads outlive a mere fork. */
static void crash_in_another_process(const struct house *h)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test_keep", "crash", h->dir, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_crash_leaves_only_what_was_stored(void **state)
{
	struct house *h = *state;
	crash_in_another_process(h);
	assert_int_equal(count_files(h, "body"), 4);
	assert_int_equal(count_files(h, "spool"), 1);
	assert_non_null(open_store(h, 0));
	EVENTUALLY(count_files(h, "body") == 1 && count_files(h, "spool") == 0);
	struct entry *e = find(h->store, "http://crashed/1");
	assert_false(e->unsynced); /* no power was cut */
	assert_true(body_is(h->store, e, "stored"));
	entry_free(e);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM lease WHERE owner <> 0") == 0);
}

static void what_a_living_process_has_in_flight_is_left_alone(void **state)
{
	struct house *h = *state;
	struct body *spooled = make_body(h->store, "in flight", 9, false, false);
	struct body *placed = make_body(h->store, "in flight", 9, true, true);
	struct house second = *h;
	buf_init(&second.why, BUF_LINE);
	crash_in_another_process(h);
	assert_non_null(open_store(&second, 0));
	/* The sweep of the dead one's is over when these are gone. */
	EVENTUALLY(count_files(h, "body") == 2 && count_files(h, "spool") == 1);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM lease WHERE owner <> 0") == 1);
	put(second.store, "http://b/1", "by the second");
	assert_true(is_stored(h->store, "http://b/1"));
	store_close(second.store);
	buf_fini(&second.why);
	body_free(spooled);
	body_free(placed);
	assert_int_equal(count_files(h, "body"), 2);
	assert_int_equal(count_files(h, "spool"), 0);
}

static void an_orderly_end_leaves_nothing_to_sweep(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	store_close(h->store);
	h->store = NULL;
	assert_int_equal(sql_number(h, "SELECT owner = 0 AND behind = first + 1 FROM lease"), 1);
	write_file(h, "spool/notes", "not made by us");
	assert_non_null(open_store(h, 0));
	reopen(h, 0);
	assert_true(exists(h, "spool/notes"));
	assert_int_equal(sql_number(h, "SELECT count(*) FROM lease"), 1);
}

static void a_name_that_meets_a_file_is_skipped(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	struct entry *e = find(h->store, "http://a/1");
	char next[64], command[256];
	int64_t number = (int64_t)strtoull(e->body_file + 8, NULL, 16);
	for (int i = 1; i <= 2; i++) {
		snprintf(next, sizeof next, "body/%02x/%012llx", (unsigned)((number + i) >> 16) & 0xff,
		    (unsigned long long)(number + i));
		snprintf(
		    command, sizeof command, "mkdir -p '%s/%.7s'; echo stray > '%s/%s'", h->dir, next, h->dir, next);
		assert_int_equal(system(command), 0);
	}
	entry_free(e);
	put(h->store, "http://a/2", "even");
	put(h->store, "http://a/3", "odd");
	e = find(h->store, "http://a/2");
	assert_true(body_is(h->store, e, "even"));
	entry_free(e);
	e = find(h->store, "http://a/3");
	assert_true(body_is(h->store, e, "odd"));
	entry_free(e);
	EVENTUALLY(count_files(h, "body") == 3);
}

/* --- after a power cut (invariant 7) --- */

/* Makes it look as if the machine had been switched off right after the last body. */
static void pretend_another_boot(struct house *h)
{
	store_close(h->store);
	h->store = NULL;
	sql(h, "UPDATE lease SET boot = 'an earlier one', synced = first");
}

/* Its size reached the disk, its bytes did not. */
static void tear(const struct house *h, const char *file)
{
	int fd = open(in_house(h, file), O_WRONLY);
	assert_true(fd >= 0);
	struct stat s;
	assert_int_equal(fstat(fd, &s), 0);
	assert_int_equal(ftruncate(fd, 0) | ftruncate(fd, s.st_size), 0);
	close(fd);
}

static void nothing_torn_is_served_after_a_power_cut(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/sound", "sound");
	put(h->store, "http://a/torn", "written");
	put(h->store, "http://a/unknown", "unknown");
	struct entry *sound = find(h->store, "http://a/sound"), *torn = find(h->store, "http://a/torn");
	pretend_another_boot(h);
	tear(h, torn->body_file);
	sql(h, "UPDATE entry SET sha256 = NULL WHERE url = 'http://a/unknown'");

	assert_non_null(open_store(h, 0));
	struct entry *e = find(h->store, "http://a/torn");
	assert_true(e == NULL || !body_is(h->store, e, "written"));
	if (e != NULL)
		assert_int_equal(store_open_body(h->store, e), -1);
	entry_free(e);
	e = find(h->store, "http://a/sound");
	assert_true(body_is(h->store, e, "sound"));
	entry_free(e);
	EVENTUALLY(!is_stored(h->store, "http://a/torn"));
	EVENTUALLY(!is_stored(h->store, "http://a/unknown"));
	/* All of it is verified, and nothing is unsynced any more. */
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM lease WHERE boot = 'an earlier one'") == 0);
	e = find(h->store, "http://a/sound");
	assert_false(e->unsynced);
	assert_true(body_is(h->store, e, "sound"));
	entry_free(e);
	EVENTUALLY(count_files(h, "body") == 1);
	entry_free(sound);
	entry_free(torn);
}

static void what_was_synced_before_a_power_cut_is_trusted(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	store_close(h->store);
	h->store = NULL;
	sql(h, "UPDATE lease SET boot = 'an earlier one', synced = behind; UPDATE entry SET sha256 = NULL");
	assert_non_null(open_store(h, 0));
	struct entry *e = find(h->store, "http://a/1");
	assert_false(e->unsynced);
	assert_true(body_is(h->store, e, "one"));
	entry_free(e);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM lease WHERE boot = 'an earlier one'") == 0);
	assert_true(is_stored(h->store, "http://a/1"));
}

/* --- others --- */

static void a_reader_with_an_open_transaction_stops_nobody(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	struct sitter s = sit(h, "BEGIN; SELECT count(*) FROM entry;");
	for (int i = 0; i < 100; i++) {
		char url[64];
		snprintf(url, sizeof url, "http://b/%d", i);
		put(h->store, url, "stored");
	}
	assert_true(is_stored(h->store, "http://b/99"));
	rise(&s);
	assert_counted(h);
}

static void storing_stops_while_a_forgotten_reader_fills_the_disk_and_resumes(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	struct sitter s = sit(h, "BEGIN; SELECT count(*) FROM entry;");
	sql(h, "CREATE TEMP TABLE junk (x)"); /* nobody else is disturbed by the sitter */
	/* 140 MB of WAL. */
	sql(h, "PRAGMA wal_autocheckpoint = 0; WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
	       "< 1400) "
	       "INSERT INTO entry (url, status, fetched_at, fresh_until, used_at, headers) "
	       "SELECT 'http://big/' || i, 200, 1, 2, 3, printf('%.100000c', 'x') FROM n");
	put(h->store, "http://a/2", "two");
	struct entry *e = make_entry("http://a/3", "");
	EVENTUALLY(put_entry(h->store, e, "three", NULL) == STORE_PUT_STOPPED);
	EVENTUALLY(
	    sql_number(h, "SELECT count(*) FROM setting WHERE name = 'stopped' AND value GLOB 'no: *sqlite3*'") == 1);
	/* Purging and looking up go on. */
	store_invalidate(h->store, "http://a/2");
	store_flush(h->store);
	assert_int_equal(sql_number(h, "SELECT count(*) FROM entry WHERE url = 'http://a/2'"), 0);
	assert_true(is_stored(h->store, "http://a/1"));
	rise(&s);
	EVENTUALLY(put_entry(h->store, e, "three", NULL) == STORE_PUT_DONE);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM setting WHERE name = 'stopped'") == 0);
	entry_free(e);
}

static void a_writer_who_keeps_the_lock_delays_storing_and_loses_nothing(void **state)
{
	struct house *h = *state;
	enum { PUTS = 50 };
	struct waited_put puts[PUTS];
	struct sitter s = sit(h, "BEGIN IMMEDIATE; DELETE FROM entry;");
	for (int i = 0; i < PUTS; i++) {
		char url[64];
		snprintf(url, sizeof url, "http://b/%d", i);
		puts[i] = (struct waited_put){.put = {.entry = make_entry(url, ""), .done = put_is_done}};
		store_put(h->store, &puts[i].put);
	}
	assert_false(is_stored(h->store, "http://b/0"));
	rise(&s);
	store_flush(h->store);
	for (int i = 0; i < PUTS; i++) {
		assert_int_equal(puts[i].outcome, STORE_PUT_DONE);
		entry_free(puts[i].put.entry);
	}
	assert_counted(h);
}

static void a_settled_lease_is_forgotten_once_it_is_synced(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	reopen(h, 0);
	EVENTUALLY(sql_number(h, "SELECT count(*) FROM lease") == 0);
	assert_true(is_stored(h->store, "http://a/1"));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)
#define WITHOUT_STORE(test) cmocka_unit_test_setup_teardown(test, empty_house, close_house)

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "crash") == 0)
		return crash(argv[2]);
	const struct CMUnitTest tests[] = {
	    WITH_STORE(the_file_of_a_row_deleted_in_the_shell_is_reclaimed),
	    WITH_STORE(trash_removes_only_body_files_that_no_row_owns),
	    WITH_STORE(much_trash_is_emptied_and_putting_goes_on_meanwhile),
	    WITH_STORE(the_quota_is_kept_in_the_order_of_eviction),
	    WITH_STORE(the_number_of_entries_is_bounded),
	    WITH_STORE(a_disk_without_room_is_relieved),
	    WITH_STORE(what_a_rule_pins_is_not_evicted),
	    WITH_STORE(pinned_rows_stay_even_above_the_quota),
	    WITH_STORE(a_body_larger_than_the_quota_is_not_stored),
	    WITHOUT_STORE(a_crash_leaves_only_what_was_stored),
	    WITH_STORE(what_a_living_process_has_in_flight_is_left_alone),
	    WITH_STORE(an_orderly_end_leaves_nothing_to_sweep),
	    WITH_STORE(a_name_that_meets_a_file_is_skipped),
	    WITH_STORE(nothing_torn_is_served_after_a_power_cut),
	    WITH_STORE(what_was_synced_before_a_power_cut_is_trusted),
	    WITH_STORE(a_reader_with_an_open_transaction_stops_nobody),
	    WITH_STORE(storing_stops_while_a_forgotten_reader_fills_the_disk_and_resumes),
	    WITH_STORE(a_writer_who_keeps_the_lock_delays_storing_and_loses_nothing),
	    WITH_STORE(a_settled_lease_is_forgotten_once_it_is_synced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
