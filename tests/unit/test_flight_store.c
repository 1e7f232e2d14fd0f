/* Flights on their way to the store, and the bodies that take more than one response; and request bodies. */
#include "unit/flight_fixture.h"

#include "fetch/flight_table.h"
#include "fetch/partial_body.h"

#include <signal.h>
#include <sys/resource.h>

/* --- what is stored --- */

static void what_was_purged_meanwhile_is_neither_joined_nor_stored(void **state)
{
	(void)state;
	for (int head_came = 0; head_came < 2; head_came++) {
		struct fetch *f;
		struct flight_reader *s = lead(&f);
		if (head_came)
			fake_head(f, 200, FRESH, 3);
		flight_table_invalidate(flights, URL, NULL);
		leave(join(plain(), FLIGHT_LEADS));
		if (!head_came)
			fake_head(f, 200, FRESH, 3);
		fake_text(f, "old");
		fake_done(f, ENGINE_OK, "");
		hears_head(s, 200);
		assert_int_equal(reads(s, true, "old"), FLIGHT_END);
		leave(s);
		stores(NULL);
	}
}

static void the_success_of_an_unsafe_method_covers_the_fetches_in_progress(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *stored;
	} table[] = {{204, NULL}, {403, "old"}};
	for (size_t i = 0; i < 2; i++) {
		struct fetch *f;
		struct flight_ask put_it = plain();
		put_it.method = span_of("PUT");
		put_it.shared = false;
		struct flight_reader *reader = lead(&f), *writer = join(put_it, FLIGHT_LEADS);
		fake_reply(fake_fetch(1), table[i].status, "", "");
		hears_head(writer, table[i].status);
		fake_reply(f, 200, FRESH, "old");
		leave(reader);
		leave(writer);
		stores(table[i].stored);
	}
}

static void a_body_larger_than_allowed_reaches_its_readers_and_is_not_stored(void **state)
{
	(void)state;
	static const int64_t lengths[] = {10, -1}; /* told by the head, or found out as it comes */
	for (size_t i = 0; i < 2; i++) {
		struct fetch *f;
		struct flight_response a;
		restart_flights(3600, 8);
		struct flight_reader *s = lead(&f);
		fake_head(f, 200, FRESH, lengths[i]);
		assert_int_equal(flight_reader_wait(s, &a), FLIGHT_RESPONSE);
		assert_int_equal(a.stored, lengths[i] < 0);
		fake_text(f, "01234");
		fake_text(f, "56789");
		fake_done(f, ENGINE_OK, "");
		assert_int_equal(reads(s, true, "0123456789"), FLIGHT_END);
		leave(s);
		stores(NULL);
	}
}

static void a_large_body_is_read_from_memory_and_disk_alike(void **state)
{
	(void)state;
	enum { PAGE = 64 << 10, PAGES = 40 };
	struct fetch *f;
	struct flight_bytes p;
	enum flight_read got;
	char *page = malloc(PAGE);
	int64_t at = 0;
	struct flight_reader *s = lead(&f);
	fake_head(f, 200, FRESH, (int64_t)PAGE * PAGES);
	for (int i = 0; i < PAGES; i++) {
		memset(page, 'a' + i % 26, PAGE);
		if (!fake_data(f, page, PAGE)) /* the disk is behind, as the origin is now */
			EVENTUALLY(f->resumed_data > 0);
		f->resumed_data = 0;
	}
	fake_done(f, ENGINE_OK, "");
	while ((got = flight_reader_read(s, true, &p)) == FLIGHT_BYTES || got == FLIGHT_FILE) {
		while (p.n > 0) {
			char c;
			if (got == FLIGHT_BYTES)
				c = *p.bytes++;
			else
				assert_int_equal(pread(p.fd, &c, 1, p.at++), 1);
			assert_int_equal(c, 'a' + at / PAGE % 26);
			int64_t skip = PAGE / 2 - 1; /* a look at two bytes of each page is enough */
			if ((int64_t)p.n - 1 < skip)
				skip = (int64_t)p.n - 1;
			p.n -= (size_t)skip + 1;
			p.at += skip;
			if (got == FLIGHT_BYTES)
				p.bytes += skip;
			at += skip + 1;
		}
	}
	assert_int_equal(got, FLIGHT_END);
	assert_int_equal(at, PAGE * PAGES);
	leave(s);
	EVENTUALLY(is_stored(house->store, URL));
	free(page);
}

/* A body of this many bytes: too large for one piece, and small enough to stay in memory. */
enum { SMALL = 200 << 10 };

static char *small_body(void)
{
	char *text = malloc(SMALL + 1);
	assert_non_null(text);
	for (int i = 0; i < SMALL; i++)
		text[i] = (char)('a' + i / 1000 % 26);
	text[SMALL] = '\0';
	return text;
}

/* Descriptors of this process on files beneath a folder of the house. */
static int open_files(const char *folder)
{
	char command[256];
	int n = -1;
	snprintf(
	    command, sizeof command, "find /proc/%d/fd -lname '%s/%s/*' | wc -l", (int)getpid(), house->dir, folder);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void a_small_body_is_read_from_memory_until_its_row_is_committed(void **state)
{
	(void)state;
	struct fetch *f;
	char *text = small_body();
	put(house->store, "http://example.com/first", "takes the names");
	struct sitter locks = sit(house, "BEGIN IMMEDIATE;");
	struct flight_reader *first = lead(&f);
	fake_reply(f, 200, FRESH, text);
	EVENTUALLY(count_files(house, "body") == 2); /* written without the lock of the index */
	struct flight_reader *second = follow();
	assert_int_equal(reads(first, true, text), FLIGHT_END);
	leave(first);
	struct flight_reader *third = follow();
	assert_int_equal(reads(second, true, text), FLIGHT_END);
	assert_int_equal(reads(third, true, text), FLIGHT_END);
	assert_int_equal(open_files("body") + open_files("spool"), 0);
	leave(second);
	leave(third);
	rise(&locks);
	stores(text);
	free(text);
}

static void a_small_body_that_the_disk_refuses_reaches_its_readers_and_leaves_no_file(void **state)
{
	(void)state;
	struct fetch *f;
	char *text = small_body();
	struct rlimit was, limit;
	put(house->store, "http://example.com/first", "one");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = (struct rlimit){SMALL - 1, was.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	struct flight_reader *s = lead(&f);
	fake_reply(f, 200, FRESH, text);
	assert_int_equal(reads(s, true, text), FLIGHT_END);
	leave(s);
	restart_flights(3600, 0);
	setrlimit(RLIMIT_FSIZE, &was);
	stores(NULL);
	EVENTUALLY(count_files(house, "body") == 1);
	store_flush(house->store);
	assert_int_equal(sql_number(house, "SELECT count(*) FROM refusal WHERE url = '" URL
					   "' AND reason = 'the cache''s disk could not take it'"),
	    1);
	struct flight_reader *again = lead(&f);
	fake_reply(f, 200, FRESH, text);
	leave(again);
	stores(text);
	free(text);
}

static void many_small_bodies_need_no_wait_for_a_name(void **state)
{
	(void)state;
	enum { BODIES = 60 };
	struct sitter locks = sit(house, "BEGIN IMMEDIATE;");
	for (int i = 0; i < BODIES; i++) {
		char url[64];
		struct flight_reader *s;
		snprintf(url, sizeof url, "http://example.com/%d", i);
		struct flight_ask ask = plain();
		ask.url = url;
		ask.generation = flight_generation(flights, url);
		assert_int_equal(flight_join(flights, &ask, &s), FLIGHT_LEADS);
		fake_reply(fake_fetch(fake_count() - 1), 200, FRESH, "small");
		flight_reader_leave(s);
	}
	rise(&locks);
	restart_flights(3600, 0);
	assert_int_equal(sql_number(house, "SELECT count(*) FROM entry"), BODIES);
	assert_int_equal(count_files(house, "body"), BODIES);
}

/* --- validation --- */

/* A row for URL, with a tag; the caller's. */
static struct entry *stored_row(void)
{
	struct entry *e = make_entry(URL, "");
	free(e->headers);
	e->headers = strdup("ETag: \"1\"\nContent-Type: text/plain\n");
	e->etag = strdup("\"1\"");
	assert_int_equal(put_entry(house->store, e, "stored", NULL), STORE_PUT_DONE);
	entry_free(e);
	return find(house->store, URL);
}

static void a_304_freshens_the_row_and_everybody_has_it(void **state)
{
	(void)state;
	struct flight_response a;
	struct entry *row = stored_row();
	struct flight_ask ask = plain();
	ask.was = row;
	ask.conditional = true;
	struct flight_reader *s[2] = {join(ask, FLIGHT_LEADS), join(ask, FLIGHT_FOLLOWS)};
	fake_head(fake_fetch(0), 304, STRONG, 0);
	fake_done(fake_fetch(0), ENGINE_OK, "");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(flight_reader_wait(s[i], &a), FLIGHT_REFRESHED);
		assert_true(a.entry->id == row->id && a.entry->fresh_until > row->fresh_until);
		leave(s[i]);
	}
	stores("stored");
	struct entry *now = find(house->store, URL);
	assert_true(now->id == row->id && now->fresh_until > row->fresh_until);
	entry_free(now);
	entry_free(row);
}

static void a_304_about_something_else_freshens_nothing(void **state)
{
	(void)state;
	struct entry *row = stored_row();
	struct flight_ask ask = plain();
	ask.was = row;
	ask.conditional = true;
	struct flight_reader *s = join(ask, FLIGHT_LEADS);
	fake_head(fake_fetch(0), 304, FRESH "ETag: \"2\"\n", 0);
	fake_done(fake_fetch(0), ENGINE_OK, "");
	hears_head(s, 304);
	leave(s);
	stores("stored");
	struct entry *now = find(house->store, URL);
	assert_int_equal(now->fresh_until, row->fresh_until);
	entry_free(now);
	entry_free(row);
}

static void a_new_response_replaces_the_row(void **state)
{
	(void)state;
	struct entry *row = stored_row();
	struct flight_ask ask = plain();
	ask.was = row;
	ask.conditional = true;
	struct flight_reader *s = join(ask, FLIGHT_LEADS);
	fake_reply(fake_fetch(0), 200, FRESH "ETag: \"2\"\n", "new");
	hears_head(s, 200);
	assert_int_equal(reads(s, true, "new"), FLIGHT_END);
	leave(s);
	stores("new");
	entry_free(row);
}

static void a_304_of_a_later_flight_leaves_the_row_to_the_first(void **state)
{
	(void)state;
	struct flight_response a;
	struct entry *row = stored_row();
	struct flight_ask ask = plain();
	ask.was = row;
	ask.conditional = true;
	struct flight_reader *first = join(ask, FLIGHT_LEADS);
	ask.second = true;
	struct flight_reader *second = join(ask, FLIGHT_LEADS);
	fake_head(fake_fetch(1), 304, STRONG, 0);
	fake_done(fake_fetch(1), ENGINE_OK, "");
	assert_int_equal(flight_reader_wait(second, &a), FLIGHT_REFRESHED);
	fake_done(fake_fetch(0), ENGINE_TIMEOUT, "too late");
	leave(first);
	leave(second);
	stores("stored");
	struct entry *now = find(house->store, URL);
	assert_int_equal(now->fresh_until, row->fresh_until);
	entry_free(now);
	entry_free(row);
}

/* --- bodies that take more than one response --- */

static void what_breaks_off_under_a_strong_validator_is_asked_for_from_there(void **state)
{
	(void)state;
	static const struct {
		const char *what, *fields, *rest;
		int status;
		bool fits;
	} table[] = {
	    {"the rest", STRONG "Content-Range: bytes 5-9/10\n", "56789", 206, true},
	    {"of another version", FRESH "ETag: \"2\"\nContent-Range: bytes 5-9/10\n", "56789", 206, false},
	    {"from somewhere else", STRONG "Content-Range: bytes 4-9/10\n", "456789", 206, false},
	    {"the whole", STRONG, "0123456789", 200, false},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct fetch *f;
		struct flight_reader *s = lead(&f);
		fake_head(f, 200, STRONG, 10);
		fake_text(f, "01234");
		fake_done(f, ENGINE_BROKEN, "cut");
		assert_int_equal(fake_count(), 2);
		struct fetch *rest = fake_fetch(1);
		assert_non_null(strstr(rest->fields, "Range: bytes=5-\n"));
		assert_non_null(strstr(rest->fields, "If-Range: \"1\"\n"));
		fake_head(rest, table[i].status, table[i].fields, (int64_t)strlen(table[i].rest));
		fake_text(rest, table[i].rest);
		fake_done(rest, table[i].fits ? ENGINE_OK : ENGINE_CANCELLED, "");
		hears_head(s, 200);
		enum flight_read end = reads(s, true, table[i].fits ? "0123456789" : "01234");
		if (end != (table[i].fits ? FLIGHT_END : FLIGHT_BROKEN))
			fail_msg("%s", table[i].what);
		leave(s);
		stores(table[i].fits ? "0123456789" : NULL);
		store_drop_parts(house->store, URL);
		flight_table_invalidate(flights, URL, NULL);
		sql(house, "DELETE FROM entry; DELETE FROM part");
	}
}

/* Writes over what earlier calls left on the stack, as the engine's thread would with its next events. */
static void __attribute__((noinline)) overwrite_stack(void)
{
	volatile char bytes[16 << 10];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = 'x';
}

static void the_reason_why_a_resumed_body_is_not_stored_stays_readable(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_response a;
	struct flight_reader *r = lead(&f);
	fake_head(f, 200, STRONG, 10);
	fake_text(f, "01234");
	fake_done(f, ENGINE_BROKEN, "cut");
	fake_head(fake_fetch(1), 206, "Cache-Control: no-store\nETag: \"1\"\nContent-Range: bytes 5-9/10\n", 5);
	fake_text(fake_fetch(1), "56789");
	fake_done(fake_fetch(1), ENGINE_OK, "");
	overwrite_stack();
	assert_int_equal(flight_reader_wait(r, &a), FLIGHT_RESPONSE);
	assert_false(a.stored);
	assert_string_equal(a.reason, "no-store, RFC 9111 5.2.2.5");
	assert_int_equal(reads(r, true, "0123456789"), FLIGHT_END);
	leave(r);
	stores(NULL);
}

static bool any(const void *ctx, const char *vary)
{
	(void)ctx;
	(void)vary;
	return true;
}

static void what_is_left_of_a_body_is_a_part_and_completed_by_the_next(void **state)
{
	(void)state;
	struct fetch *f;
	struct index_parts parts;
	struct flight_reader *s = lead(&f);
	fake_head(f, 200, STRONG, 10);
	fake_text(f, "01234");
	fake_done(f, ENGINE_BROKEN, "cut");
	fake_done(fake_fetch(1), ENGINE_UNREACHABLE, "refused");
	leave(s);
	stores(NULL);
	assert_int_equal(store_find_parts(house->store, URL, any, NULL, &parts), INDEX_FOUND);
	struct flight_ask ask = plain();
	ask.partial = partial_body_to_complete(house->store, &parts);
	assert_non_null(ask.partial);
	s = join(ask, FLIGHT_LEADS);
	fake_head(fake_fetch(0), 206, STRONG "Content-Range: bytes 5-9/10\n", 5);
	hears_head(s, 200);
	assert_int_equal(reads(s, false, "01234"), FLIGHT_QUIET); /* from the part's file */
	fake_text(fake_fetch(0), "56789");
	fake_done(fake_fetch(0), ENGINE_OK, "");
	assert_int_equal(reads(s, true, "56789"), FLIGHT_END);
	leave(s);
	index_parts_free(&parts);
	stores("0123456789");
}

static void a_redirect_is_followed_where_a_rule_says_so(void **state)
{
	(void)state;
	struct rule_decision decision;
	struct flight_ask ask = plain();
	rules_judge(NULL, URL, 0, &decision);
	decision.follow_redirects = true;
	ask.decision = &decision;
	ask.fields = span_of("Cookie: secret\nAccept: text/plain\n");
	struct flight_reader *s = join(ask, FLIGHT_LEADS);
	fake_head(fake_fetch(0), 302, "Location: http://elsewhere.example/y\n", 0);
	assert_true(fake_fetch(0)->cancelled);
	fake_done(fake_fetch(0), ENGINE_CANCELLED, "");
	assert_string_equal(fake_fetch(1)->url, "http://elsewhere.example/y");
	assert_string_equal(fake_fetch(1)->fields, "Accept: text/plain\n"); /* what the first origin may know, the
									       second may not */
	fake_reply(fake_fetch(1), 200, FRESH, "there");
	hears_head(s, 200);
	assert_int_equal(reads(s, true, "there"), FLIGHT_END);
	leave(s);
	stores("there");
}

/* --- request bodies --- */

static struct flight_reader *upload(bool expects)
{
	struct flight_ask ask = plain();
	ask.method = span_of("PUT");
	ask.shared = false;
	ask.upload_bytes = ENGINE_CHUNKED_UPLOAD;
	ask.fields = span_of(expects ? "Expect: 100-continue\n" : "");
	return join(ask, FLIGHT_LEADS);
}

/* What the engine gets when it asks for more of the request body. */
static ssize_t takes(struct fetch *f, char *bytes, size_t n)
{
	ssize_t got = f->ops->upload(f->ctx, bytes, n);
	fake_batch_end();
	return got;
}

static void a_request_body_goes_up_in_order_and_ends(void **state)
{
	(void)state;
	char got[8];
	struct flight_reader *s = upload(false);
	struct fetch *f = fake_fetch(0);
	assert_int_equal(f->upload_bytes, ENGINE_CHUNKED_UPLOAD);
	assert_int_equal(takes(f, got, sizeof got), ENGINE_UPLOAD_WAIT);
	assert_int_equal(flight_upload_write(s, "hello world", 11), 0);
	assert_int_equal(f->resumed_upload, 1);
	assert_int_equal(takes(f, got, sizeof got), 8);
	assert_memory_equal(got, "hello wo", 8);
	assert_int_equal(takes(f, got, sizeof got), 3);
	assert_memory_equal(got, "rld", 3);
	flight_upload_end(s, true);
	assert_int_equal(takes(f, got, sizeof got), 0);
	leave(s);
}

static void a_request_body_that_breaks_off_breaks_the_fetch_off(void **state)
{
	(void)state;
	char got[8];
	struct flight_reader *s = upload(false);
	flight_upload_write(s, "hel", 3);
	flight_upload_end(s, false);
	assert_int_equal(takes(fake_fetch(0), got, sizeof got), 3);
	assert_int_equal(takes(fake_fetch(0), got, sizeof got), ENGINE_UPLOAD_ABORT);
	leave(s);
}

static void an_expected_body_is_wanted_unless_the_response_comes_first(void **state)
{
	(void)state;
	char got[8];
	struct flight_reader *wanted = upload(true), *refused = upload(true), *failed = upload(true);
	assert_int_equal(takes(fake_fetch(0), got, sizeof got), ENGINE_UPLOAD_WAIT);
	fake_head(fake_fetch(1), 413, "", 0);
	fake_done(fake_fetch(2), ENGINE_UNREACHABLE, "refused");
	assert_true(flight_upload_wanted(wanted));
	assert_false(flight_upload_wanted(refused));
	assert_false(flight_upload_wanted(failed));
	assert_int_equal(flight_upload_write(failed, "x", 1), -1);
	leave(wanted);
	leave(refused);
	leave(failed);
}

static void *send_megabyte(void *arg)
{
	static const char page[64 << 10];
	for (int i = 0; i < 16; i++)
		assert_int_equal(flight_upload_write(arg, page, sizeof page), 0);
	flight_upload_end(arg, true);
	return NULL;
}

static void a_request_body_waits_for_room_and_loses_nothing(void **state)
{
	(void)state;
	pthread_t thread;
	static char got[10000];
	ssize_t n, sum = 0;
	struct flight_reader *s = upload(false);
	struct fetch *f = fake_fetch(0);
	assert_int_equal(pthread_create(&thread, NULL, send_megabyte, s), 0);
	while ((n = takes(f, got, sizeof got)) != 0) {
		if (n == ENGINE_UPLOAD_WAIT) {
			EVENTUALLY(f->resumed_upload > 0);
			f->resumed_upload = 0;
			continue;
		}
		assert_true(n > 0);
		sum += n;
	}
	pthread_join(thread, NULL);
	assert_int_equal(sum, 1 << 20);
	leave(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FLIGHT_TEST(what_was_purged_meanwhile_is_neither_joined_nor_stored),
	    FLIGHT_TEST(the_success_of_an_unsafe_method_covers_the_fetches_in_progress),
	    FLIGHT_TEST(a_body_larger_than_allowed_reaches_its_readers_and_is_not_stored),
	    FLIGHT_TEST(a_large_body_is_read_from_memory_and_disk_alike),
	    FLIGHT_TEST(a_small_body_is_read_from_memory_until_its_row_is_committed),
	    FLIGHT_TEST(a_small_body_that_the_disk_refuses_reaches_its_readers_and_leaves_no_file),
	    FLIGHT_TEST(many_small_bodies_need_no_wait_for_a_name),
	    FLIGHT_TEST(a_304_freshens_the_row_and_everybody_has_it),
	    FLIGHT_TEST(a_304_about_something_else_freshens_nothing),
	    FLIGHT_TEST(a_new_response_replaces_the_row),
	    FLIGHT_TEST(a_304_of_a_later_flight_leaves_the_row_to_the_first),
	    FLIGHT_TEST(what_breaks_off_under_a_strong_validator_is_asked_for_from_there),
	    FLIGHT_TEST(the_reason_why_a_resumed_body_is_not_stored_stays_readable),
	    FLIGHT_TEST(what_is_left_of_a_body_is_a_part_and_completed_by_the_next),
	    FLIGHT_TEST(a_redirect_is_followed_where_a_rule_says_so),
	    FLIGHT_TEST(a_request_body_goes_up_in_order_and_ends),
	    FLIGHT_TEST(a_request_body_that_breaks_off_breaks_the_fetch_off),
	    FLIGHT_TEST(an_expected_body_is_wanted_unless_the_response_comes_first),
	    FLIGHT_TEST(a_request_body_waits_for_room_and_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
