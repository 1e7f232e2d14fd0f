/* The index as public interface: what its triggers count, what its checks refuse, which files it takes for its own. */
#include "unit/store_fixture.h"

#include "index/query.h"
#include "verbs/listing.h"

#define SAMPLE                                                                                                         \
	"INSERT INTO entry (id, url, status, fetched_at, fresh_until, used_at, body_file, body_bytes) VALUES "         \
	"(1, 'http://a/1', 200, 1, 2, 3, 'body/ab/000000ab0001', 10), (2, 'http://a/2', 200, 1, 2, 3, "                \
	"'body/ab/000000ab0002', 20); "                                                                                \
	"INSERT INTO part (url, status, first_byte, body_bytes, body_file, fetched_at, fresh_until, used_at) "         \
	"VALUES ('http://a/3', 206, 0, 5, 'body/ab/000000ab0003', 1, 2, 3); "

static void host_is_read_from_the_url(void **state)
{
	struct house *h = *state;
	static const char *const rows[][2] = {
	    {"http://example.com/", "example.com"},
	    {"https://example.com:8443/a:b/c", "example.com"},
	    {"http://example.com/?u=http://other/", "example.com"},
	    {"http://[2001:db8::1]:80/x", "[2001:db8::1]"},
	    {"http://[::1]/", "[::1]"},
	    {"http://a/[b]", "a"},
	    {"http://a:1/[b]:2/", "a"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[512], out[256];
		snprintf(text, sizeof text,
		    "INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('%s', 200, 1, 2, 3) "
		    "RETURNING host",
		    rows[i][0]);
		shell(h, text, out, sizeof out);
		assert_string_equal(out, rows[i][1]);
	}
	assert_int_equal(sql_number(h, "SELECT count(*) FROM entry WHERE host = 'example.com'"), 3);
}

static void edits_move_when_an_answer_may_have_changed_and_not_else(void **state)
{
	struct house *h = *state;
	static const struct {
		const char *sql;
		int moves;
	} rows[] = {
	    {"DELETE FROM entry WHERE id = 1", 1},
	    {"UPDATE entry SET fresh_until = 0 WHERE id = 1", 1},
	    {"UPDATE entry SET stale_until = 9 WHERE id = 1", 1},
	    {"UPDATE entry SET headers = 'A: b' || char(10) WHERE id = 1", 1},
	    {"UPDATE entry SET status = 404 WHERE id = 1", 1},
	    {"UPDATE entry SET etag = 'x' WHERE id = 1", 1},
	    {"UPDATE entry SET last_modified = 'x' WHERE id = 1", 1},
	    {"UPDATE entry SET vary = 'accept: x' WHERE id = 1", 1},
	    {"UPDATE entry SET url = 'http://a/9' WHERE id = 1", 1},
	    {"UPDATE entry SET body_file = NULL, body_bytes = 0 WHERE id = 1", 1},
	    {"UPDATE entry SET fetched_at = 2 WHERE id = 1", 1},
	    {"UPDATE entry SET initial_age_s = 2 WHERE id = 1", 1},
	    {"INSERT INTO entry (url, vary, status, fetched_at, fresh_until, used_at) VALUES ('http://a/1', 'x: y', "
	     "200, 1, 2, 3)",
		1},
	    {"INSERT OR REPLACE INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://a/1', 200, "
	     "1, 2, 3)",
		1},
	    {"INSERT INTO rule (url_glob, deny) VALUES ('*', 1)", 1},
	    {"INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://a/7', 200, 1, 2, 3)",
		0},
	    {"UPDATE entry SET hits = hits + 1, used_at = 99 WHERE id = 1", 0},
	    {"UPDATE entry SET pinned = 1, tag = 't', note = 'n' WHERE id = 1", 0},
	    {"UPDATE entry SET sha256 = zeroblob(32) WHERE id = 1", 0},
	    {"INSERT INTO refusal (url, reason, status, at) VALUES ('http://a/8', 'no-store', 200, 1)", 0},
	};
	sql(h, SAMPLE);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[512];
		snprintf(text, sizeof text,
		    "CREATE TEMP TABLE was AS SELECT edits FROM counter; BEGIN; %s; "
		    "SELECT counter.edits > was.edits FROM counter, was; ROLLBACK",
		    rows[i].sql);
		if (sql_number(h, text) != rows[i].moves)
			fail_msg("%s: edits %s", rows[i].sql, rows[i].moves ? "stayed" : "moved");
	}
	sql(h, "INSERT INTO rule (url_glob) VALUES ('*')");
	assert_int_equal(
	    sql_number(h,
		"CREATE TEMP TABLE was AS SELECT edits FROM counter; UPDATE rule SET deny = 1; DELETE FROM rule; "
		"SELECT counter.edits - was.edits FROM counter, was"),
	    2);
}

static void counters_and_trash_agree_with_the_rows_after(void **state)
{
	struct house *h = *state;
	static const struct {
		const char *sql, *trash;
	} rows[] = {
	    {"DELETE FROM entry WHERE id = 1", "body/ab/000000ab0001"},
	    {"DELETE FROM entry", "body/ab/000000ab0001,body/ab/000000ab0002"},
	    {"DELETE FROM part", "body/ab/000000ab0003"},
	    {"UPDATE entry SET body_file = 'body/ab/000000ab0009', body_bytes = 7 WHERE id = 1",
		"body/ab/000000ab0001"},
	    {"UPDATE part SET body_file = 'body/ab/000000ab0009', body_bytes = 7", "body/ab/000000ab0003"},
	    {"INSERT OR REPLACE INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://a/1', 200, "
	     "1, 2, 3)",
		"body/ab/000000ab0001"},
	    {"INSERT OR REPLACE INTO entry (id, url, status, fetched_at, fresh_until, used_at) VALUES (1, "
	     "'http://a/2', 200, 1, 2, 3)",
		"body/ab/000000ab0001,body/ab/000000ab0002"},
	    {"PRAGMA recursive_triggers = ON; INSERT OR REPLACE INTO entry (url, status, fetched_at, fresh_until, "
	     "used_at) "
	     "VALUES ('http://a/1', 200, 1, 2, 3)",
		"body/ab/000000ab0001"},
	    {"UPDATE OR REPLACE entry SET url = 'http://a/2' WHERE id = 1", "body/ab/000000ab0002"},
	    {"PRAGMA recursive_triggers = ON; UPDATE OR REPLACE entry SET url = 'http://a/2' WHERE id = 1",
		"body/ab/000000ab0002"},
	    /* Ignored: what the first trigger noted down must not count, neither now nor with the insert that follows.
	     */
	    {"INSERT OR IGNORE INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://a/1', 200, "
	     "1, 2, 3); "
	     "INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://a/5', 200, 1, 2, 3)",
		NULL},
	    {"INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://a/1', 200, 1, 2, 3) "
	     "ON CONFLICT DO UPDATE SET note = 'n'; DELETE FROM entry WHERE id = 2",
		NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[1024], out[512];
		/* In one transaction, so that maintenance does not come between. */
		snprintf(text, sizeof text, "DELETE FROM entry; DELETE FROM part; BEGIN; DELETE FROM trash; %s COMMIT;",
		    SAMPLE);
		sql(h, text);
		snprintf(text, sizeof text,
		    "BEGIN; DELETE FROM trash; %s; SELECT coalesce(group_concat(DISTINCT file), '') FROM "
		    "(SELECT file FROM trash ORDER BY file); COMMIT",
		    rows[i].sql);
		/* A pragma has no effect within a transaction. */
		if (strncmp(rows[i].sql, "PRAGMA", 6) == 0)
			snprintf(text, sizeof text,
			    "%s; SELECT coalesce(group_concat(DISTINCT file), '') FROM "
			    "(SELECT file FROM trash ORDER BY file)",
			    rows[i].sql);
		if (shell(h, text, out, sizeof out) != 0)
			fail_msg("%s: %s", rows[i].sql, out);
		if (rows[i].trash != NULL && strcmp(out, rows[i].trash) != 0)
			fail_msg("%s: the trash has %s and not %s", rows[i].sql, out, rows[i].trash);
		assert_counted(h);
	}
}

static void a_slip_is_refused_with_the_reason(void **state)
{
	struct house *h = *state;
	static const char *const rows[][2] = {
	    {"INSERT INTO rule (url_glob) VALUES ('')", "url_glob must not be empty: * matches every URL"},
	    {"INSERT INTO rule (url_glob, fresh_for_s) VALUES ('*', -1)",
		"fresh_for_s must be a number of seconds, 0 or more"},
	    {"INSERT INTO rule (url_glob, fresh_for_s) VALUES ('*', '1h')",
		"cannot store TEXT value in INTEGER column rule.fresh_for_s"},
	    {"INSERT INTO rule (url_glob, store) VALUES ('*', 2)",
		"store must be 1 (store), 0 (never store) or NULL (says nothing)"},
	    {"UPDATE entry SET pinned = 2", "pinned must be 0 or 1"},
	    {"UPDATE entry SET fresh_until = 'tomorrow'",
		"cannot store TEXT value in INTEGER column entry.fresh_until"},
	    {"UPDATE entry SET body_file = '/etc/passwd'", "body_file must be a name curlew gave"},
	    {"UPDATE entry SET body_file = 'body/ab/../../x'", "body_file must be a name curlew gave"},
	    {"UPDATE entry SET body_file = NULL", "a body without a file has 0 bytes"},
	    {"UPDATE entry SET url = 'ftp://x/'", "url must be absolute, http:// or https://"},
	    {"UPDATE entry SET sha256 = x'00'", "sha256 must be a blob of 32 bytes"},
	    {"UPDATE entry SET id = 77 WHERE id = 1", "entry.id never changes"},
	    {"DELETE FROM counter", "the row of counters must stay"},
	};
	sql(h, SAMPLE);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char out[1024];
		assert_int_not_equal(shell(h, rows[i][0], out, sizeof out), 0);
		if (strstr(out, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], out);
	}
}

static void the_views_read(void **state)
{
	struct house *h = *state;
	sql(h,
	    SAMPLE "UPDATE entry SET fresh_until = unixepoch() + 100, stale_until = unixepoch() + 200 WHERE id = 1;");
	assert_int_equal(sql_number(h, "SELECT count(*) FROM v_entry WHERE host = 'a' AND state = CASE id WHEN 1 THEN "
				       "'fresh' ELSE 'stale' END"),
	    2);
	assert_int_equal(
	    sql_number(h, "SELECT entries = 2 AND bytes = 30 AND fresh = 1 FROM v_host WHERE host = 'a'"), 1);
	assert_int_equal(sql_number(h, "SELECT group_concat(id) = '2,1' FROM v_big"), 1);
	assert_int_equal(sql_number(h, "SELECT group_concat(id) = '2' FROM v_stale"), 1);
	static const struct {
		const char *bytes, *size;
	} sizes[] = {{"0", "0 B"}, {"92", "92 B"}, {"1023", "1023 B"}, {"1024", "1.0 KiB"}, {"1048524", "1023.9 KiB"},
	    {"1048575", "1.0 MiB"}, {"1073741823", "1.0 GiB"}, {"1099511627775", "1.0 TiB"},
	    {"2199023255552", "2.0 TiB"}};
	sql(h, "DELETE FROM entry WHERE id = 2;");
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char text[256];
		struct buf said;
		snprintf(text, sizeof text, "UPDATE entry SET body_bytes = %s WHERE id = 1;", sizes[i].bytes);
		if (i > 0)
			sql(h, text);
		snprintf(text, sizeof text,
		    "SELECT v_entry.size = '%s' AND v_host.size = '%s' FROM v_entry, v_host WHERE v_host.host = 'a' "
		    "AND v_entry.host = 'a'",
		    sizes[i].size, sizes[i].size);
		buf_init(&said, BUF_LINE);
		listing_format(&said, LISTING_BYTES, sizes[i].bytes);
		assert_string_equal(buf_str(&said), sizes[i].size);
		if (i > 0 && sql_number(h, text) != 1)
			fail_msg("%s bytes are not %s in v_entry and v_host", sizes[i].bytes, sizes[i].size);
		buf_fini(&said);
	}
	assert_int_equal(sql_number(h, "PRAGMA application_id"), 0x63726c77);
	assert_int_equal(sql_number(h, "PRAGMA user_version"), 4);
	assert_int_equal(sql_number(h, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(sql_number(h, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

/* --- which files are taken for an index --- */

static void a_foreign_index_is_refused_untouched(void **state)
{
	struct house *h = *state;
	char was[64], now[64], command[256];
	sql(h, "PRAGMA journal_mode = WAL; CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
	snprintf(command, sizeof command, "cd '%s' && ls && sha256sum index.db", h->dir);
	FILE *f = popen(command, "r");
	was[fread(was, 1, sizeof was - 1, f)] = '\0';
	pclose(f);

	assert_null(open_store(h, 0));
	assert_non_null(strstr(buf_str(&h->why), "not an index of curlew"));
	assert_non_null(strstr(buf_str(&h->why), "--cache"));

	/* The lock is ours, what it protects is as it was. */
	unlink(in_house(h, "lock"));
	f = popen(command, "r");
	now[fread(now, 1, sizeof now - 1, f)] = '\0';
	pclose(f);
	assert_string_equal(was, now);
}

static void a_newer_index_is_refused_untouched(void **state)
{
	struct house *h = *state;
	store_close(h->store);
	sql(h, "PRAGMA user_version = 99");
	assert_null(open_store(h, 0));
	assert_non_null(strstr(buf_str(&h->why), "newer curlew"));
	assert_int_equal(sql_number(h, "PRAGMA user_version"), 99);
}

static void another_mode_is_refused(void **state)
{
	struct house *h = *state;
	store_close(h->store);
	struct store_config config = {.dir = h->dir, .mode = "private"};
	h->store = store_open(&config, &h->why); /* an empty one was filled in no way */
	assert_non_null(h->store);
	put(h->store, "http://a/1", "one");
	store_close(h->store);
	config.mode = "shared";
	h->store = store_open(&config, &h->why);
	assert_null(h->store);
	assert_non_null(strstr(buf_str(&h->why), "filled as \"private\" and would now be used as \"shared\""));
}

static void scribble(const struct house *h, off_t at, size_t n)
{
	int fd = open(in_house(h, "index.db"), O_WRONLY);
	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
	close(fd);
}

static int count_set_aside(const struct house *h)
{
	char command[256];
	int n = -1;
	snprintf(command, sizeof command, "ls '%s' | grep -c '^index.db.damaged-'", h->dir);
	FILE *f = popen(command, "r");
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void damage(struct house *h, off_t at, size_t n)
{
	put(h->store, "http://a/1", "one");
	store_close(h->store);
	h->store = NULL;
	sql(h, "PRAGMA wal_checkpoint(TRUNCATE)");
	scribble(h, at, n);
}

static void a_damaged_index_is_set_aside(void **state)
{
	struct house *h = *state;
	damage(h, 0, 64);
	assert_non_null(open_store(h, 0));
	assert_true(count_set_aside(h) >= 1);
	assert_false(is_stored(h->store, "http://a/1"));
	put(h->store, "http://a/1", "one again");
	assert_true(is_stored(h->store, "http://a/1"));
	/* The body of before belongs to nobody now. */
	EVENTUALLY(count_files(h, "body") == 1);
}

static void damage_behind_the_header_is_found_too(void **state)
{
	struct house *h = *state;
	damage(h, 4096 * 3, 4096);
	assert_non_null(open_store(h, 0));
	assert_true(count_set_aside(h) >= 1);
}

static void a_damaged_index_somebody_uses_is_left_alone(void **state)
{
	struct house *h = *state;
	struct house second = *h;
	put(h->store, "http://a/1", "one");
	write_file(h, "damaged", "");
	sql(h, "PRAGMA wal_checkpoint(TRUNCATE)");
	scribble(h, 4096 * 3, 4096);
	buf_init(&second.why, BUF_LINE);
	assert_null(open_store(&second, 0));
	assert_non_null(strstr(buf_str(&second.why), "another curlew uses it"));
	buf_fini(&second.why);
	/* Alone at the next start, it is set aside. */
	reopen(h, 0);
	assert_true(count_set_aside(h) >= 1);
	assert_false(exists(h, "damaged"));
}

static void a_start_that_was_interrupted_is_begun_again(void **state)
{
	struct house *h = *state;
	write_file(h, "index.db", "");
	assert_non_null(open_store(h, 0));
	reopen(h, 0);
	put(h->store, "http://a/1", "one");
}

static void a_wal_without_its_index_is_not_taken_for_the_new_ones(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	store_close(h->store);
	assert_int_equal(unlink(in_house(h, "index.db")), 0);
	assert_non_null(open_store(h, 0));
	assert_false(is_stored(h->store, "http://a/1"));
	EVENTUALLY(count_files(h, "body") == 0);
}

static int ignore_row(void *ctx, const struct index_column *columns, size_t count)
{
	(void)columns;
	(void)count;
	++*(int *)ctx;
	return 0;
}

static void a_question_says_what_is_wrong(void **state)
{
	struct house *h = *state;
	int rows = 0;
	assert_int_equal(index_query(h->dir, "SELECT 1", NULL, 0, ignore_row, &rows, &h->why), -1);
	assert_non_null(strstr(buf_str(&h->why), "no cache in"));
	assert_false(exists(h, "index.db"));

	assert_non_null(open_store(h, 0));
	buf_clear(&h->why);
	assert_int_equal(index_query(h->dir, "SELECT nowhere FROM entry", NULL, 0, ignore_row, &rows, &h->why), -1);
	if (strstr(buf_str(&h->why), "no such column: nowhere") == NULL)
		fail_msg("%s", buf_str(&h->why));
	buf_clear(&h->why);
	assert_int_equal(index_query(h->dir, "DELETE FROM entry", NULL, 0, ignore_row, &rows, &h->why), -1);
	assert_int_equal(rows, 0);
	assert_int_equal(index_query(h->dir, "SELECT * FROM counter", NULL, 0, ignore_row, &rows, &h->why), 0);
	assert_int_equal(rows, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(host_is_read_from_the_url, open_house, close_house),
	    cmocka_unit_test_setup_teardown(
		edits_move_when_an_answer_may_have_changed_and_not_else, open_house, close_house),
	    cmocka_unit_test_setup_teardown(counters_and_trash_agree_with_the_rows_after, open_house, close_house),
	    cmocka_unit_test_setup_teardown(a_slip_is_refused_with_the_reason, open_house, close_house),
	    cmocka_unit_test_setup_teardown(the_views_read, open_house, close_house),
	    cmocka_unit_test_setup_teardown(a_foreign_index_is_refused_untouched, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(a_newer_index_is_refused_untouched, open_house, close_house),
	    cmocka_unit_test_setup_teardown(another_mode_is_refused, open_house, close_house),
	    cmocka_unit_test_setup_teardown(a_damaged_index_is_set_aside, open_house, close_house),
	    cmocka_unit_test_setup_teardown(damage_behind_the_header_is_found_too, open_house, close_house),
	    cmocka_unit_test_setup_teardown(a_damaged_index_somebody_uses_is_left_alone, open_house, close_house),
	    cmocka_unit_test_setup_teardown(a_start_that_was_interrupted_is_begun_again, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(
		a_wal_without_its_index_is_not_taken_for_the_new_ones, open_house, close_house),
	    cmocka_unit_test_setup_teardown(a_question_says_what_is_wrong, empty_house, close_house),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
