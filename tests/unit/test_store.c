/* Rows joined to bodies: what is put is found, what is purged stays away, what changes is noticed. */
#include "unit/store_fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

static void what_was_put_is_found_with_all_its_columns(void **state)
{
	struct house *h = *state;
	struct entry *e = make_entry("http://a/1", "accept-language: de");
	free(e->headers);
	e->headers = strdup("Content-Type: text/plain\nETag: \"x\"\n");
	e->etag = strdup("\"x\"");
	e->last_modified = strdup("Mon, 23 Nov 2026 12:00:00 GMT");
	e->initial_age_s = 7;
	e->rule_id = 3;
	e->dns_ms = 1.5;
	e->total_ms = 20;
	assert_int_equal(put_entry(h->store, e, "a body", NULL), STORE_PUT_DONE);

	struct entry *f = find(h->store, "http://a/1");
	assert_non_null(f);
	assert_int_equal(f->id, e->id);
	assert_string_equal(f->vary, e->vary);
	assert_int_equal(f->status, 200);
	assert_string_equal(f->headers, e->headers);
	assert_string_equal(f->etag, e->etag);
	assert_string_equal(f->last_modified, e->last_modified);
	assert_string_equal(f->body_file, e->body_file);
	assert_int_equal(f->body_bytes, 6);
	assert_true(f->has_sha256);
	assert_int_equal(f->fetched_at, 1000);
	assert_int_equal(f->initial_age_s, 7);
	assert_int_equal(f->fresh_until, 2000);
	assert_int_equal(f->stale_until, 3000);
	assert_int_equal(f->used_at, 1000);
	assert_int_equal(f->rule_id, 3);
	assert_string_equal(f->reason, e->reason);
	assert_true(f->dns_ms > 1.4 && f->dns_ms < 1.6 && f->connect_ms < 0);
	assert_null(f->tag);
	assert_false(f->unsynced);
	assert_int_equal(f->edits, e->edits);
	assert_true(body_is(h->store, f, "a body"));
	entry_free(f);
	entry_free(e);
	assert_null(find(h->store, "http://a/2"));
}

static void the_recorded_sha256_is_that_of_the_body(void **state)
{
	struct house *h = *state;
	char text[128], command[256], is[65] = "";
	put(h->store, "http://a/1", "the quick brown fox");
	shell(h, "SELECT lower(hex(sha256)) FROM entry", text, sizeof text);
	snprintf(command, sizeof command, "cat '%s'/body/*/* | sha256sum", h->dir);
	FILE *f = popen(command, "r");
	assert_int_equal(fscanf(f, "%64s", is), 1);
	pclose(f);
	assert_string_equal(text, is);
}

static void an_empty_body_has_no_file(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", NULL);
	put(h->store, "http://a/2", "");
	struct entry *e = find(h->store, "http://a/2");
	assert_null(e->body_file);
	assert_int_equal(e->body_bytes, 0);
	entry_free(e);
	assert_int_equal(count_files(h, "body"), 0);
	assert_int_equal(count_files(h, "spool"), 0);
}

static void variants_come_with_the_most_recent_response_first(void **state)
{
	struct house *h = *state;
	static const struct {
		const char *vary;
		int64_t fetched_at, initial_age_s;
	} rows[] = {
	    {"x: 1", 1000, 500}, {"x: 2", 1000, 0}, {"x: 3", 900, 0}, {"x: 4", 1100, 100}, {"x: 5", 2000, 1999}};
	static const char *const order[] = {"x: 4", "x: 2", "x: 3", "x: 1", "x: 5"};
	for (size_t i = 0; i < 5; i++) {
		struct entry *e = make_entry("http://a/1", rows[i].vary);
		e->fetched_at = rows[i].fetched_at;
		e->initial_age_s = rows[i].initial_age_s;
		assert_int_equal(put_entry(h->store, e, NULL, NULL), STORE_PUT_DONE);
		entry_free(e);
	}
	struct index_rows found;
	assert_int_equal(store_find(h->store, "http://a/1", &found), INDEX_FOUND);
	assert_int_equal(found.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(found.entries[i]->vary, order[i]);
	index_rows_free(&found);
}

/* --- invariant 8: what the user wrote stands --- */

static void a_replaced_row_keeps_its_id_and_what_the_user_wrote(void **state)
{
	struct house *h = *state;
	int64_t id = put(h->store, "http://a/1", "old");
	struct entry *was = find(h->store, "http://a/1");
	sql(h, "UPDATE entry SET pinned = 1, tag = 't', note = 'n', hits = 5");
	struct entry *e = make_entry("http://a/1", "");
	e->status = 203;
	assert_int_equal(put_entry(h->store, e, "new body", was), STORE_PUT_DONE);
	entry_free(was);
	assert_int_equal(e->id, id);
	entry_free(e);
	e = find(h->store, "http://a/1");
	assert_int_equal(e->id, id);
	assert_int_equal(e->status, 203);
	assert_int_equal(e->hits, 5);
	assert_true(e->pinned);
	assert_string_equal(e->tag, "t");
	assert_string_equal(e->note, "n");
	assert_true(body_is(h->store, e, "new body"));
	entry_free(e);
	EVENTUALLY(count_files(h, "body") == 1);
	assert_counted(h);
}

static void a_lifetime_the_user_wrote_is_not_overwritten(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "old");
	struct entry *was = find(h->store, "http://a/1");
	sql(h, "UPDATE entry SET fresh_until = 0"); /* a soft purge */
	struct entry *e = make_entry("http://a/1", "");
	assert_int_equal(put_entry(h->store, e, "fetched before it", was), STORE_PUT_CHANGED);
	assert_int_equal(sql_number(h, "SELECT fresh_until FROM entry"), 0);
	EVENTUALLY(count_files(h, "body") == 1);
	entry_free(was);
	entry_free(e);
}

static void an_answer_does_not_come_back_when_its_row_was_purged_meanwhile(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "old");
	struct entry *was = find(h->store, "http://a/1");
	sql(h, "DELETE FROM entry WHERE url = 'http://a/1'");
	struct entry *e = make_entry("http://a/1", "");
	assert_int_equal(put_entry(h->store, e, "fetched before the purge", was), STORE_PUT_PURGED);
	entry_free(was);
	entry_free(e);
	assert_false(is_stored(h->store, "http://a/1"));
	EVENTUALLY(count_files(h, "body") == 0);
	put(h->store, "http://a/1", "fetched after it");
	assert_true(is_stored(h->store, "http://a/1"));
}

struct waited_refresh {
	struct store_refresh refresh;
	int done;
};

static void refresh_is_done(struct store_refresh *r)
{
	((struct waited_refresh *)r)->done++;
}

static void refresh(struct store *s, const struct entry *was, const struct entry *now)
{
	struct waited_refresh w = {.refresh = {.was = was, .now = now, .done = refresh_is_done}};
	store_refresh(s, &w.refresh);
	store_flush(s);
	assert_int_equal(w.done, 1);
}

static void a_refresh_freshens_the_row_it_read(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "body");
	struct entry *was = find(h->store, "http://a/1"), *now = entry_copy(was);
	now->fetched_at = 5000;
	now->fresh_until = 6000;
	free(now->headers);
	now->headers = strdup("Age: 0\n");
	refresh(h->store, was, now);
	struct entry *is = find(h->store, "http://a/1");
	assert_int_equal(is->fresh_until, 6000);
	assert_int_equal(is->fetched_at, 5000);
	assert_string_equal(is->headers, "Age: 0\n");
	assert_int_equal(is->id, was->id);
	assert_true(body_is(h->store, is, "body"));
	entry_free(is);
	entry_free(now);
	entry_free(was);
}

static void a_refresh_never_overwrites_what_was_written_meanwhile(void **state)
{
	struct house *h = *state;
	static const char *const edits[] = {"UPDATE entry SET fresh_until = 0", "UPDATE entry SET stale_until = 0",
	    "UPDATE entry SET fetched_at = 1", "UPDATE entry SET body_file = 'body/00/0000000000aa'"};
	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		put(h->store, "http://a/1", "body");
		struct entry *was = find(h->store, "http://a/1"), *now = entry_copy(was);
		now->fetched_at = 5000;
		now->fresh_until = 6000;
		sql(h, edits[i]);
		refresh(h->store, was, now);
		assert_int_equal(sql_number(h, "SELECT count(*) FROM entry WHERE fresh_until = 6000"), 0);
		entry_free(now);
		entry_free(was);
		sql(h, "DELETE FROM entry");
	}
}

/* --- invalidation --- */

static void an_invalidated_url_is_gone_at_once_though_another_process_holds_the_lock(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	put(h->store, "http://a/2", "two");
	struct change_counter *w = change_counter_new(h->store);
	struct entry *e = find(h->store, "http://a/1");
	assert_int_equal(change_counter_edits(w), e->edits);
	assert_int_equal(change_counter_confirm(w, e), INDEX_FOUND);

	struct sitter s = sit(h, "BEGIN IMMEDIATE;");
	store_invalidate(h->store, "http://a/1");
	assert_false(is_stored(h->store, "http://a/1"));
	assert_true(is_stored(h->store, "http://a/2"));
	assert_int_not_equal(change_counter_edits(w), e->edits);
	assert_int_equal(change_counter_confirm(w, e), INDEX_ABSENT);
	rise(&s);

	store_flush(h->store);
	assert_false(is_stored(h->store, "http://a/1"));
	assert_int_equal(sql_number(h, "SELECT count(*) FROM entry"), 1);
	entry_free(e);
	change_counter_free(w);
}

static void what_is_put_after_an_invalidation_is_found(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	store_invalidate(h->store, "http://a/1");
	put(h->store, "http://a/1", "another");
	struct entry *e = find(h->store, "http://a/1");
	assert_true(body_is(h->store, e, "another"));
	entry_free(e);
}

static void an_answer_put_before_its_invalidation_is_not_trusted_in_memory(void **state)
{
	struct house *h = *state;
	struct entry *e = make_entry("http://a/1", "");
	struct waited_put w = {.put = {.entry = e, .done = put_is_done}};
	struct sitter s = sit(h, "BEGIN IMMEDIATE;");
	store_put(h->store, &w.put);
	store_invalidate(h->store, "http://a/1");
	rise(&s);
	store_flush(h->store);
	assert_true(w.is_done);
	assert_false(is_stored(h->store, "http://a/1"));
	struct change_counter *watch = change_counter_new(h->store);
	assert_int_not_equal(change_counter_edits(watch), e->edits);
	change_counter_free(watch);
	entry_free(e);
}

/* --- noticing --- */

static void an_edit_by_any_process_is_seen_by_the_next_call(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	struct change_counter *w = change_counter_new(h->store);
	for (int i = 0; i < 20; i++) {
		int64_t before = change_counter_edits(w);
		char text[128];
		snprintf(text, sizeof text, "UPDATE entry SET fresh_until = %d", 5000 + i);
		sql(h, text);
		assert_int_not_equal(change_counter_edits(w), before);
		before = change_counter_edits(w);
		put(h->store, "http://a/1", "another");
		assert_int_not_equal(change_counter_edits(w), before);
	}
	change_counter_free(w);
}

static void new_rows_and_usage_do_not_move_the_edits(void **state)
{
	struct house *h = *state;
	int64_t id = put(h->store, "http://a/1", "one");
	struct change_counter *w = change_counter_new(h->store);
	int64_t before = change_counter_edits(w);
	put(h->store, "http://a/2", "two");
	store_used(h->store, id, 3, 5000);
	store_refuse(h->store, "http://a/3", "no-store", 200, 1000);
	store_flush(h->store);
	sql(h, "UPDATE entry SET tag = 'x'");
	assert_int_equal(change_counter_edits(w), before);
	change_counter_free(w);
}

static void a_watch_confirms_only_the_one_row_it_was_given(void **state)
{
	struct house *h = *state;
	static const struct {
		const char *sql;
		enum index_result found;
	} rows[] = {
	    {"UPDATE entry SET hits = 99, pinned = 1, tag = 'x'", INDEX_FOUND},
	    {"UPDATE entry SET fresh_until = 0", INDEX_ABSENT},
	    {"UPDATE entry SET headers = 'X: y' || char(10)", INDEX_ABSENT},
	    {"UPDATE entry SET etag = 'x'", INDEX_ABSENT},
	    {"UPDATE entry SET status = 404", INDEX_ABSENT},
	    {"UPDATE entry SET vary = 'x: y'", INDEX_ABSENT},
	    {"INSERT INTO entry (url, vary, status, fetched_at, fresh_until, used_at) VALUES ('http://a/1', 'x: y', "
	     "200, 1, 2, 3)",
		INDEX_ABSENT},
	    {"DELETE FROM entry", INDEX_ABSENT},
	};
	struct change_counter *w = change_counter_new(h->store);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sql(h, "DELETE FROM entry");
		put(h->store, "http://a/1", "one");
		struct entry *e = find(h->store, "http://a/1");
		assert_int_equal(change_counter_confirm(w, e), INDEX_FOUND);
		sql(h, rows[i].sql);
		if (change_counter_confirm(w, e) != rows[i].found)
			fail_msg("%s", rows[i].sql);
		entry_free(e);
	}
	change_counter_free(w);
}

/* --- bodies --- */

static void a_body_that_was_not_put_leaves_nothing(void **state)
{
	struct house *h = *state;
	static const struct {
		bool whole, seal;
	} rows[] = {{false, false}, {false, true}, {true, false}, {true, true}};
	for (size_t i = 0; i < 4; i++) {
		struct body *b = make_body(h->store, "some bytes", 10, rows[i].whole, rows[i].seal);
		assert_non_null(b);
		assert_int_equal(body_bytes(b), 10);
		assert_int_equal(count_files(h, "body") + count_files(h, "spool"), 1);
		body_free(b);
		assert_int_equal(count_files(h, "body") + count_files(h, "spool"), 0);
	}
}

static void a_growing_body_is_read_by_its_descriptor(void **state)
{
	struct house *h = *state;
	char got[16];
	struct body *b = make_body(h->store, "some bytes", 10, false, false);
	assert_int_equal(pread(body_fd(b), got, 5, 5), 5);
	assert_memory_equal(got, "bytes", 5);
	body_free(b);
}

static void a_row_whose_body_is_unusable_is_a_miss_and_is_removed(void **state)
{
	struct house *h = *state;
	static const char *const rows[] = {"rm '%s'/body/*/*", "truncate -s 1 '%s'/body/*/*",
	    "for f in '%s'/body/*/*; do rm $f; mkdir $f; done",
	    "for f in '%s'/body/*/*; do rm $f; ln -s /etc/passwd $f; done"};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char command[256];
		snprintf(command, sizeof command, rows[i], h->dir);
		put(h->store, "http://a/1", "one");
		struct entry *e = find(h->store, "http://a/1");
		assert_int_equal(system(command), 0);
		assert_int_equal(store_open_body(h->store, e), -1);
		store_flush(h->store);
		assert_false(is_stored(h->store, "http://a/1"));
		entry_free(e);
		snprintf(command, sizeof command, "rm -rf '%s'/body/*", h->dir);
		assert_int_equal(system(command), 0);
	}
}

static void the_finder_of_a_missing_body_leaves_a_row_that_was_replaced(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "old");
	struct entry *e = find(h->store, "http://a/1");
	put(h->store, "http://a/1", "new");
	EVENTUALLY(count_files(h, "body") == 1);
	assert_int_equal(store_open_body(h->store, e), -1);
	store_flush(h->store);
	assert_true(is_stored(h->store, "http://a/1"));
	entry_free(e);
}

static void rows_stay_while_the_bodies_are_not_mounted(void **state)
{
	struct house *h = *state;
	char command[256];
	put(h->store, "http://a/1", "one");
	struct entry *e = find(h->store, "http://a/1");
	snprintf(command, sizeof command, "mv '%s/body' '%s/elsewhere'", h->dir, h->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(store_open_body(h->store, e), -1);
	assert_null(make_body(h->store, "x", 1, true, true));
	assert_null(make_body(h->store, "x", 1, false, true));
	store_flush(h->store);
	snprintf(command, sizeof command, "mv '%s/elsewhere' '%s/body'", h->dir, h->dir);
	assert_int_equal(system(command), 0);
	assert_true(body_is(h->store, e, "one"));
	assert_true(is_stored(h->store, "http://a/1"));
	entry_free(e);
}

static void a_full_disk_is_not_the_clients_trouble(void **state)
{
	struct house *h = *state;
	struct rlimit was, small = {4096, RLIM_INFINITY};
	char bytes[8192];
	memset(bytes, 'x', sizeof bytes);
	put(h->store, "http://a/1", "one");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	struct body *b = make_body(h->store, bytes, sizeof bytes, false, true);
	struct entry *e = make_entry("http://a/2", "");
	struct waited_put w = {.put = {.entry = e, .done = put_is_done}};
	store_put(h->store, &w.put);
	store_flush(h->store);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_null(b);
	assert_int_equal(w.outcome, STORE_PUT_TROUBLE);
	entry_free(e);
	/* The store itself tries the disk with a file there, which comes and goes. */
	for (int i = 0; i < 1000 && count_files(h, "spool") != 0; i++)
		;
	assert_int_equal(count_files(h, "spool"), 0);
	assert_true(is_stored(h->store, "http://a/1"));
	put(h->store, "http://a/2", "two");
	assert_int_equal(sql_number(h, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

/* --- bodies that the writer writes --- */

struct written_put {
	struct store_put put;
	struct house *house;
	atomic_int *done;
	bool locks; /* write() looks whether a shell gets the index's lock */
};

static enum store_written write_one(struct store_put *put)
{
	struct written_put *w = (struct written_put *)put;
	struct store *s = w->house->store;
	if (!store_have_name(s))
		return STORE_WRITE_LATER;
	if (w->locks)
		sql(w->house, "UPDATE counter SET edits = edits + 1");
	put->body = body_begin(s, true);
	if (put->body == NULL || body_write(put->body, "x", 1) != 0 || body_seal(put->body) != 0)
		return STORE_WRITE_FAILED;
	body_close(put->body);
	return STORE_WRITTEN;
}

static void written_is_done(struct store_put *put, enum store_put_outcome outcome)
{
	struct written_put *w = (struct written_put *)put;
	if (outcome == STORE_PUT_DONE)
		atomic_fetch_add(w->done, 1);
	body_free(put->body);
	entry_free(put->entry);
	free(put);
}

static void write_many(struct house *h, int count, bool locks, atomic_int *done)
{
	for (int i = 0; i < count; i++) {
		char url[64];
		struct written_put *w = calloc(1, sizeof *w);
		assert_non_null(w);
		snprintf(url, sizeof url, "http://a/%d", i);
		*w = (struct written_put){
		    .put = {.entry = make_entry(url, ""), .write = write_one, .done = written_is_done},
		    .house = h,
		    .done = done,
		    .locks = locks && i == 0};
		store_put(h->store, &w->put);
	}
	store_flush(h->store);
}

static void the_writer_writes_bodies_while_others_may_have_the_lock(void **state)
{
	struct house *h = *state;
	atomic_int done = 0;
	write_many(h, 3, true, &done);
	assert_int_equal(done, 3);
	assert_int_equal(count_files(h, "body"), 3);
	assert_counted(h);
}

static void the_writer_takes_the_names_it_needs_itself(void **state)
{
	struct house *h = *state;
	enum { BODIES = 4096 + 100 }; /* more than one lease has */
	atomic_int done = 0;
	write_many(h, BODIES, false, &done);
	assert_int_equal(done, BODIES);
	assert_int_equal(sql_number(h, "SELECT count(DISTINCT body_file) FROM entry"), BODIES);
}

static void without_a_lease_the_writer_gives_the_bodies_up(void **state)
{
	struct house *h = *state;
	atomic_int done = 0;
	sql(h, "CREATE TRIGGER no_lease BEFORE INSERT ON lease BEGIN SELECT RAISE(ABORT, 'no'); END");
	write_many(h, 3, false, &done);
	assert_int_equal(done, 0);
	assert_int_equal(count_files(h, "body"), 0);
	sql(h, "DROP TRIGGER no_lease");
	write_many(h, 3, false, &done);
	assert_true(done > 0);
}

/* --- usage --- */

static void usage_adds_up(void **state)
{
	struct house *h = *state;
	int64_t a = put(h->store, "http://a/1", "one"), b = put(h->store, "http://a/2", "two");
	for (int i = 1; i <= 100; i++) {
		store_used(h->store, a, 1, 5000 + i);
		store_used(h->store, b, 2, 4000);
	}
	/* More than are gathered at once; rows that are gone cost nothing but the asking. */
	sql(h, "INSERT INTO entry (id, url, status, headers, fetched_at, fresh_until, computed_until, used_at) "
	       "SELECT value, 'http://many/' || value, 200, '', 1, 1, 1, 1 FROM json_each('[1000, 30000, 50151, 50152, "
	       "50153, 69999]')");
	for (int round = 0; round < 3; round++)
		for (int64_t id = 1000; id < 70000; id++)
			store_used(h->store, id, 1, 10 + round);
	store_flush(h->store);
	assert_int_equal(
	    sql_number(
		h, "SELECT count(*) FROM entry WHERE host = 'many' AND hits = 3 AND used_at = 12 AND visits = 3"),
	    6);
	assert_int_equal(sql_number(h, "SELECT hits FROM entry WHERE url = 'http://a/1'"), 100);
	assert_int_equal(sql_number(h, "SELECT used_at FROM entry WHERE url = 'http://a/1'"), 5100);
	assert_int_equal(sql_number(h, "SELECT hits FROM entry WHERE url = 'http://a/2'"), 200);
}

static void refusals_are_counted_by_url_and_forgotten_when_it_is_stored(void **state)
{
	struct house *h = *state;
	for (int i = 0; i < 3; i++)
		store_refuse(h->store, "http://a/1", i == 2 ? "private" : "no-store", 200, 500 + i);
	store_flush(h->store);
	store_refuse(h->store, "http://a/1", "private", 200, 600);
	for (int i = 0; i < 300; i++) {
		char url[64];
		snprintf(url, sizeof url, "http://b/%d", i);
		store_refuse(h->store, url, "no-store", 200, 500);
	}
	store_flush(h->store);
	assert_int_equal(
	    sql_number(h, "SELECT times FROM refusal WHERE url = 'http://a/1' AND reason = 'private' AND at = 600"), 4);
	assert_int_equal(sql_number(h, "SELECT count(*) FROM refusal"), 301);
	put(h->store, "http://a/1", "one");
	assert_int_equal(sql_number(h, "SELECT count(*) FROM refusal WHERE url = 'http://a/1'"), 0);
	/* A refusal from before that comes in late changes nothing. */
	store_refuse(h->store, "http://a/1", "no-store", 200, 900);
	store_flush(h->store);
	assert_int_equal(sql_number(h, "SELECT count(*) FROM refusal WHERE url = 'http://a/1'"), 0);
}

static void refusals_are_bounded(void **state)
{
	struct house *h = *state;
	sql(h, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11000) "
	       "INSERT INTO refusal (url, reason, status, at) SELECT 'http://a/' || i, 'no-store', 200, i FROM n");
	store_refuse(h->store, "http://a/5", "no-store", 200, 20000);
	store_flush(h->store);
	assert_true(sql_number(h, "SELECT count(*) FROM refusal") <= 10000);
	assert_int_equal(sql_number(h, "SELECT times FROM refusal WHERE url = 'http://a/5'"), 2);
	assert_int_equal(sql_number(h, "SELECT count(*) FROM refusal WHERE url = 'http://a/11000'"), 1);
}

/* --- many at once --- */

#define CROWD 4
#define CROWD_PUTS 300

struct walker {
	pthread_t thread;
	struct house *house;
	int number;
};

static void *walk(void *arg)
{
	struct walker *me = arg;
	for (int i = 0; i < CROWD_PUTS; i++) {
		char url[64];
		struct index_rows rows;
		snprintf(url, sizeof url, "http://crowd/%d", i % 50);
		if (me->number % 2 == 0) {
			if (store_find(me->house->store, url, &rows) == INDEX_FOUND) {
				int fd = store_open_body(me->house->store, rows.entries[0]);
				if (fd >= 0)
					close(fd);
			}
			index_rows_free(&rows);
			store_used(me->house->store, i, 1, 1000);
		} else if (i % 10 == 9) {
			store_invalidate(me->house->store, url);
		} else {
			struct entry *e = make_entry(url, "");
			put_entry(me->house->store, e, "crowded", NULL);
			entry_free(e);
		}
	}
	return NULL;
}

static void many_threads_leave_books_that_agree(void **state)
{
	struct house *h = *state;
	struct walker walkers[CROWD];
	for (int i = 0; i < CROWD; i++) {
		walkers[i] = (struct walker){.house = h, .number = i};
		assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
	}
	for (int i = 0; i < CROWD; i++)
		pthread_join(walkers[i].thread, NULL);
	store_flush(h->store);
	assert_counted(h);
	EVENTUALLY(count_files(h, "body") == sql_number(h, "SELECT count(*) FROM entry"));
}

static void what_was_put_is_there_after_a_restart(void **state)
{
	struct house *h = *state;
	put(h->store, "http://a/1", "one");
	put(h->store, "http://a/2", "two!");
	reopen(h, 0);
	struct entry *e = find(h->store, "http://a/1");
	assert_true(body_is(h->store, e, "one"));
	assert_false(e->unsynced);
	entry_free(e);
	e = find(h->store, "http://a/2");
	assert_true(body_is(h->store, e, "two!"));
	entry_free(e);
	put(h->store, "http://a/3", "three");
	assert_int_equal(count_files(h, "body"), 3);
}

static void the_directory_says_that_it_is_a_cache(void **state)
{
	struct house *h = *state;
	char text[64] = "";
	FILE *f = fopen(in_house(h, "CACHEDIR.TAG"), "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "Signature: 8a477f597d28d172789f06886806bc55\n");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_STORE(what_was_put_is_found_with_all_its_columns),
	    WITH_STORE(the_recorded_sha256_is_that_of_the_body),
	    WITH_STORE(an_empty_body_has_no_file),
	    WITH_STORE(variants_come_with_the_most_recent_response_first),
	    WITH_STORE(a_replaced_row_keeps_its_id_and_what_the_user_wrote),
	    WITH_STORE(a_lifetime_the_user_wrote_is_not_overwritten),
	    WITH_STORE(an_answer_does_not_come_back_when_its_row_was_purged_meanwhile),
	    WITH_STORE(a_refresh_freshens_the_row_it_read),
	    WITH_STORE(a_refresh_never_overwrites_what_was_written_meanwhile),
	    WITH_STORE(an_invalidated_url_is_gone_at_once_though_another_process_holds_the_lock),
	    WITH_STORE(what_is_put_after_an_invalidation_is_found),
	    WITH_STORE(an_answer_put_before_its_invalidation_is_not_trusted_in_memory),
	    WITH_STORE(an_edit_by_any_process_is_seen_by_the_next_call),
	    WITH_STORE(new_rows_and_usage_do_not_move_the_edits),
	    WITH_STORE(a_watch_confirms_only_the_one_row_it_was_given),
	    WITH_STORE(a_body_that_was_not_put_leaves_nothing),
	    WITH_STORE(a_growing_body_is_read_by_its_descriptor),
	    WITH_STORE(a_row_whose_body_is_unusable_is_a_miss_and_is_removed),
	    WITH_STORE(the_finder_of_a_missing_body_leaves_a_row_that_was_replaced),
	    WITH_STORE(rows_stay_while_the_bodies_are_not_mounted),
	    WITH_STORE(a_full_disk_is_not_the_clients_trouble),
	    WITH_STORE(the_writer_writes_bodies_while_others_may_have_the_lock),
	    WITH_STORE(the_writer_takes_the_names_it_needs_itself),
	    WITH_STORE(without_a_lease_the_writer_gives_the_bodies_up),
	    WITH_STORE(usage_adds_up),
	    WITH_STORE(refusals_are_counted_by_url_and_forgotten_when_it_is_stored),
	    WITH_STORE(refusals_are_bounded),
	    WITH_STORE(many_threads_leave_books_that_agree),
	    WITH_STORE(what_was_put_is_there_after_a_restart),
	    WITH_STORE(the_directory_says_that_it_is_a_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
