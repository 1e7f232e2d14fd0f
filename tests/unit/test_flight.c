/* Flights as those see them who wait: who joins, what each gets, and what happens when somebody leaves. */
#include "unit/flight_fixture.h"

#include "fetch/flight_engine.h"
#include "fetch/named_sites.h"

/* The clock that dates go by can be put ahead. */
static _Atomic time_t ahead_s;

time_t time(time_t *t)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t != NULL)
		*t = now.tv_sec + ahead_s;
	return now.tv_sec + ahead_s;
}

/* --- one fetch for all --- */

static void the_first_leads_and_the_others_share_its_fetch(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_reader *s[3] = {lead(&f), follow(), follow()};
	assert_int_equal(fake_count(), 1);
	assert_string_equal(f->method, "GET");
	assert_string_equal(f->url, URL);
	assert_string_equal(f->fields, "Accept: text/plain\n");
	fake_head(f, 200, FRESH, 10);
	for (int i = 0; i < 3; i++) {
		hears_head(s[i], 200);
		assert_int_equal(reads(s[i], false, ""), FLIGHT_QUIET);
	}
	fake_text(f, "01234");
	for (int i = 0; i < 3; i++)
		assert_int_equal(reads(s[i], false, "01234"), FLIGHT_QUIET);
	fake_text(f, "56789");
	fake_done(f, ENGINE_OK, "");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reads(s[i], true, "56789"), FLIGHT_END);
		leave(s[i]);
	}
	stores("0123456789");
}

static void one_who_comes_in_the_middle_reads_from_the_beginning(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_response a;
	int64_t whole;
	struct flight_reader *early = lead(&f);
	fake_head(f, 200, FRESH, 10);
	fake_text(f, "01234");
	assert_int_equal(flight_arrived(flights, URL, &whole), 5);
	assert_int_equal(whole, 10);
	struct flight_reader *late = follow();
	assert_int_equal(flight_reader_wait(late, &a), FLIGHT_RESPONSE);
	assert_true(a.stored && a.age_s >= 0); /* it is reused, and says its age (RFC 9111 5.1) */
	assert_int_equal(reads(late, false, "01234"), FLIGHT_QUIET);
	fake_text(f, "56789");
	fake_done(f, ENGINE_OK, "");
	assert_int_equal(reads(late, true, "56789"), FLIGHT_END);
	hears_head(early, 200);
	assert_int_equal(reads(early, true, "0123456789"), FLIGHT_END);
	leave(early);
	leave(late);
}

static void a_reader_may_begin_in_the_middle_of_the_body(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_reader *s = lead(&f);
	flight_reader_seek(s, 7);
	fake_reply(f, 200, FRESH, "0123456789");
	hears_head(s, 200);
	assert_int_equal(reads(s, true, "789"), FLIGHT_END);
	leave(s);
}

static void requests_that_others_may_not_join_are_fetched_one_by_one(void **state)
{
	(void)state;
	struct flight_ask alone = plain(), head = plain();
	alone.shared = false;
	head.method = span_of("HEAD");
	head.shared = false;
	struct flight_reader *s[4] = {join(plain(), FLIGHT_LEADS), join(alone, FLIGHT_LEADS), join(alone, FLIGHT_LEADS),
	    join(head, FLIGHT_LEADS)};
	assert_int_equal(fake_count(), 4);
	assert_string_equal(fake_fetch(3)->method, "HEAD");
	for (int i = 0; i < 4; i++)
		leave(s[i]);
}

static void a_flight_from_another_row_or_before_another_purge_is_not_joined(void **state)
{
	(void)state;
	put(house->store, URL, "old");
	struct entry *row = find(house->store, URL);
	struct flight_ask from_row = plain(), after_purge = plain();
	from_row.was = row;
	after_purge.purge_id = 1;
	struct flight_reader *s[4] = {join(plain(), FLIGHT_LEADS), join(from_row, FLIGHT_LEADS),
	    join(after_purge, FLIGHT_LEADS), join(from_row, FLIGHT_FOLLOWS)};
	for (int i = 0; i < 4; i++)
		leave(s[i]);
	entry_free(row);
}

static void one_who_looked_before_another_flight_ended_looks_again(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_ask old = plain();
	struct flight_reader *s = lead(&f);
	fake_reply(f, 200, FRESH, "0123456789");
	leave(s);
	EVENTUALLY(flight_generation(flights, URL) != old.generation);
	assert_null(join(old, FLIGHT_LOOK_AGAIN));
	leave(join(plain(), FLIGHT_LEADS)); /* who has looked since then leads */
}

static void without_memory_there_is_no_reader_and_nothing_is_left(void **state)
{
	(void)state;
	struct fetch *f;
	fake_fail_next();
	assert_null(join(plain(), FLIGHT_NO_MEMORY));
	struct flight_reader *s = lead(&f);
	fake_reply(f, 200, FRESH, "0123456789");
	leave(s);
	stores("0123456789");
}

/* --- responses that not everybody may have --- */

static void a_response_that_may_not_be_shared_releases_all_but_the_leader(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_response a;
	struct flight_reader *leader = lead(&f), *others[2] = {follow(), follow()};
	assert_false(flight_is_unshareable(flights, URL));
	fake_head(f, 200, "Cache-Control: no-store\n", 10);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hear(others[i]), FLIGHT_RELEASED);
		leave(others[i]);
	}
	assert_int_equal(flight_reader_wait(leader, &a), FLIGHT_RESPONSE);
	assert_false(a.stored);
	/* From now on nobody waits for anybody. */
	assert_true(flight_is_unshareable(flights, URL));
	struct flight_reader *next[2] = {join(plain(), FLIGHT_LEADS), join(plain(), FLIGHT_LEADS)};
	fake_text(f, "0123456789");
	fake_done(f, ENGINE_OK, "");
	assert_int_equal(reads(leader, true, "0123456789"), FLIGHT_END);
	leave(leader);
	leave(next[0]);
	leave(next[1]);
	stores(NULL);
}

static void an_unshareable_url_stays_known_while_it_is_asked_for(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++, ahead_s += 45) { /* a minute after the first nobody would know */
		struct flight_reader *s[2] = {join(plain(), FLIGHT_LEADS), NULL};
		if (i > 0)
			s[1] = join(plain(), FLIGHT_LEADS);
		for (size_t k = fake_count() - (i > 0 ? 2 : 1); k < fake_count(); k++)
			fake_reply(fake_fetch(k), 200, "Cache-Control: no-store\n", "news");
		leave(s[0]);
		leave(s[1]);
	}
	/* What can be shared again is waited for again. */
	struct flight_reader *s = join(plain(), FLIGHT_LEADS);
	fake_reply(fake_fetch(fake_count() - 1), 200, FRESH, "news");
	leave(s);
	assert_false(flight_is_unshareable(flights, URL));
	ahead_s = 0;
}

static void a_variant_is_for_those_whose_request_selects_it(void **state)
{
	(void)state;
	struct flight_reader *french = join(in_french(), FLIGHT_LEADS), *other = follow(),
			     *too = join(in_french(), FLIGHT_FOLLOWS);
	fake_head(fake_fetch(0), 200, FRESH "Vary: Accept-Language\n", 7);
	hears_head(french, 200);
	hears_head(too, 200);
	assert_int_equal(hear(other), FLIGHT_RELEASED);
	fake_text(fake_fetch(0), "bonjour");
	fake_done(fake_fetch(0), ENGINE_OK, "");
	assert_int_equal(reads(too, true, "bonjour"), FLIGHT_END);
	leave(french);
	leave(too);
	leave(other);
	stores("bonjour");
}

static void interim_heads_are_for_the_leader(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_response a;
	struct flight_reader *leader = lead(&f), *other = follow();
	fake_interim(f, 103, "Link: </a>\n");
	fake_interim(f, 102, "");
	fake_head(f, 200, FRESH, 0);
	assert_int_equal(flight_reader_wait(leader, &a), FLIGHT_INTERIM);
	assert_int_equal(a.status, 103);
	assert_true(span_is(a.fields, "Link: </a>\n"));
	assert_int_equal(flight_reader_wait(leader, &a), FLIGHT_INTERIM);
	assert_int_equal(a.status, 102);
	hears_head(leader, 200);
	hears_head(other, 200);
	leave(leader);
	leave(other);
}

/* --- a head that does not come --- */

static void after_the_wait_a_follower_starts_a_flight_of_its_own(void **state)
{
	(void)state;
	restart_flights(0, 0);
	struct fetch *f;
	struct flight_ask second_ask = plain();
	second_ask.second = true;
	struct flight_reader *first = lead(&f), *second = follow(), *third = follow();
	assert_int_equal(hear(second), FLIGHT_LATE);
	leave(second);
	second = join(second_ask, FLIGHT_LEADS);
	assert_int_equal(fake_count(), 2);
	/* Its head is for all who still wait, but for the leader of the first. */
	fake_head(fake_fetch(1), 200, FRESH, 10);
	assert_int_equal(hear(third), FLIGHT_OVERTAKEN);
	leave(third);
	third = follow();
	fake_text(fake_fetch(1), "0123456789");
	fake_done(fake_fetch(1), ENGINE_OK, "");
	hears_head(second, 200);
	hears_head(third, 200);
	assert_int_equal(reads(third, true, "0123456789"), FLIGHT_END);
	fake_reply(f, 200, FRESH, "from the first");
	hears_head(first, 200);
	assert_int_equal(reads(first, true, "from the first"), FLIGHT_END);
	leave(first);
	leave(second);
	leave(third);
	stores("from the first");
}

static void a_follower_waits_on_while_another_flight_has_just_started(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_reader *first = lead(&f), *second = follow();
	fake_head(f, 200, FRESH, 0); /* else it would wait for an hour */
	hears_head(second, 200);
	leave(first);
	leave(second);
}

static void no_second_flight_starts_next_to_one_that_has_its_head(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_ask second_ask = plain();
	second_ask.second = true;
	struct flight_reader *first = lead(&f);
	fake_head(f, 200, FRESH, 5);
	struct flight_reader *second = join(second_ask, FLIGHT_FOLLOWS);
	fake_text(f, "hello");
	fake_done(f, ENGINE_OK, "");
	hears_head(second, 200);
	assert_int_equal(reads(second, true, "hello"), FLIGHT_END);
	leave(first);
	leave(second);
}

static void a_later_flight_is_stored_only_if_the_first_has_ended(void **state)
{
	(void)state;
	for (int first_ends = 0; first_ends < 2; first_ends++) {
		struct fetch *f;
		struct flight_response a;
		struct flight_ask second_ask = plain();
		second_ask.second = true;
		struct flight_reader *first = lead(&f), *second = join(second_ask, FLIGHT_LEADS);
		if (first_ends)
			fake_done(f, ENGINE_TIMEOUT, "too late");
		fake_head(fake_fetch(1), 200, FRESH, 6);
		assert_int_equal(flight_reader_wait(second, &a), FLIGHT_RESPONSE);
		assert_int_equal(a.stopped == NULL, first_ends);
		fake_text(fake_fetch(1), "second");
		uint64_t generation = flight_generation(flights, URL);
		fake_done(fake_fetch(1), ENGINE_OK, "");
		assert_int_equal(reads(second, true, "second"), FLIGHT_END);
		leave(second);
		if (!first_ends) { /* it goes on until the later one's way to the store has ended */
			EVENTUALLY(flight_generation(flights, URL) != generation);
			fake_done(f, ENGINE_BROKEN, "cut");
		}
		leave(first);
		stores(first_ends ? "second" : NULL);
	}
}

/* --- failures --- */

static void a_failure_before_the_head_is_everybodys(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_response a;
	struct flight_reader *s[2] = {lead(&f), follow()};
	fake_done(f, ENGINE_UNREACHABLE, "refused");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(flight_reader_wait(s[i], &a), FLIGHT_FAILED);
		assert_int_equal(a.outcome, ENGINE_UNREACHABLE);
		assert_string_equal(a.message, "refused");
		leave(s[i]);
	}
	leave(join(plain(), FLIGHT_LEADS)); /* and is not waited for again */
	stores(NULL);
}

static void a_body_that_breaks_off_is_not_whole_for_anybody(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_reader *s[2] = {lead(&f), follow()};
	fake_head(f, 200, FRESH, 10);
	fake_text(f, "01234");
	fake_done(f, ENGINE_BROKEN, "cut");
	for (int i = 0; i < 2; i++) {
		struct flight_response a;
		assert_int_equal(flight_reader_wait(s[i], &a), FLIGHT_RESPONSE);
		assert_false(a.stored);
		assert_string_equal(a.reason, "its body broke off");
		assert_int_equal(reads(s[i], true, "01234"), FLIGHT_BROKEN);
		leave(s[i]);
	}
	stores(NULL);
}

/* --- leaving --- */

static void a_fetch_is_cancelled_when_the_last_reader_leaves(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		int64_t body_bytes, come;
		const char *fields;
		bool background, goes_on;
	} table[] = {
	    {"without a head", -1, -1, "", false, false},
	    {"little has come", 16 << 20, 1000, FRESH, false, false},
	    {"more than half has come", 3 << 20, 2 << 20, FRESH, false, true},
	    {"less than 1 MiB is left", 1 << 20, 1000, FRESH, false, true},
	    {"the length is not known", -1, 1000, FRESH, false, false},
	    {"it is not stored", 1000, 900, "Cache-Control: no-store\n", false, false},
	    {"it runs in the background", -1, -1, "", true, true},
	};
	char *page = calloc(1, 4096);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct flight_ask ask = plain();
		ask.background = table[i].background;
		struct flight_reader *first = join(ask, FLIGHT_LEADS), *second = follow();
		struct fetch *f = fake_fetch(0);
		if (table[i].come >= 0)
			fake_head(f, 200, table[i].fields, table[i].body_bytes);
		for (int64_t come = 0; come < table[i].come; come += 500)
			fake_data(f, page, 500);
		leave(first);
		assert_false(f->cancelled);
		leave(second);
		if (f->cancelled == table[i].goes_on)
			fail_msg("%s", table[i].what);
		restart_flights(3600, 0);
	}
	free(page);
}

static bool has_left(void *ctx)
{
	(*(int *)ctx)++;
	return true;
}

static void one_whose_client_is_gone_is_told_so(void **state)
{
	(void)state;
	int asked = 0;
	struct flight_bytes p;
	struct flight_ask ask = plain();
	ask.gone = has_left;
	ask.gone_ctx = &asked;
	struct flight_reader *s = join(ask, FLIGHT_LEADS);
	assert_int_equal(hear(s), FLIGHT_GONE);
	fake_head(fake_fetch(0), 200, FRESH, -1);
	hears_head(s, 200);
	assert_int_equal(flight_reader_read(s, true, &p), FLIGHT_LEFT);
	assert_true(asked >= 2);
	leave(s);
	assert_true(fake_fetch(0)->cancelled);
}

static void the_origin_waits_for_a_reader_of_what_is_not_stored(void **state)
{
	(void)state;
	enum { PAGE = 64 << 10 };
	struct fetch *f;
	struct flight_bytes p;
	char *page = calloc(1, PAGE);
	struct flight_reader *s = lead(&f);
	int pages = 1;
	fake_head(f, 200, "Cache-Control: no-store\n", -1);
	while (fake_data(f, page, PAGE))
		assert_true(++pages < 64); /* documented: 1 MiB */
	assert_int_equal(f->resumed_data, 0);
	while (f->resumed_data == 0) {
		assert_int_equal(flight_reader_read(s, false, &p), FLIGHT_BYTES);
		pages--;
	}
	assert_true(pages > 0);
	leave(s);
	free(page);
}

/* --- many threads --- */

struct reader {
	pthread_t thread;
	struct flight_reader *reader;
};

static void *read_whole(void *arg)
{
	struct reader *r = arg;
	hears_head(r->reader, 200);
	assert_int_equal(reads(r->reader, true, "a body in pieces"), FLIGHT_END);
	return NULL;
}

static void all_who_wait_wake_up_and_read_the_same(void **state)
{
	(void)state;
	struct fetch *f;
	struct reader threads[8];
	for (int i = 0; i < 8; i++) {
		threads[i].reader = i == 0 ? lead(&f) : follow();
		assert_int_equal(pthread_create(&threads[i].thread, NULL, read_whole, &threads[i]), 0);
	}
	fake_head(f, 200, FRESH, 16);
	fake_text(f, "a body");
	fake_text(f, " in ");
	fake_text(f, "pieces");
	fake_done(f, ENGINE_OK, "");
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i].thread, NULL);
	for (int i = 0; i < 8; i++)
		leave(threads[i].reader);
	stores("a body in pieces");
}

/* --- states --- */

static void counts(int waiting, int streaming, int complete, int ended, int aborted)
{
	int expected[] = {waiting, streaming, complete, ended, aborted};
	for (int i = 0; i < 5; i++)
		assert_int_equal(stats_get((enum stats_counter)(STATS_FLIGHTS_WAITING + i)), expected[i]);
}

static void every_state_has_a_gauge(void **state)
{
	(void)state;
	struct fetch *f, *g;
	struct flight_reader *whole = lead(&f);
	counts(1, 0, 0, 0, 0);
	fake_head(f, 200, "Cache-Control: no-store\n", 5);
	counts(0, 1, 0, 0, 0);
	fake_text(f, "hello");
	fake_done(f, ENGINE_OK, "");
	counts(0, 0, 0, 1, 0);
	struct flight_reader *broken = lead(&g);
	fake_done(g, ENGINE_BROKEN, "reset");
	counts(0, 0, 0, 1, 1);
	leave(whole);
	leave(broken);
	counts(0, 0, 0, 0, 0);
}

static void a_redirect_that_nobody_waits_for_ends_the_flight(void **state)
{
	(void)state;
	struct rule_decision follow = {.follow_redirects = 1, .follow_rule = 1};
	struct flight_ask ask = plain();
	struct flight_reader *r;
	ask.decision = &follow;
	assert_int_equal(flight_join(flights, &ask, &r), FLIGHT_LEADS);
	fake_head(fake_fetch(0), 302, "Location: /elsewhere\n", 0);
	flight_reader_leave(r);
	fake_done(fake_fetch(0), ENGINE_OK, "");
	assert_int_equal(fake_count(), 1);
	counts(0, 0, 0, 0, 0);
}

/* --- a leader that does not block --- */

static int notified;

static void notify(void *ctx)
{
	(*(int *)ctx)++;
}

/* A flight with an engine of its own, as an event loop has one. */
static struct flight_reader *lead_from_loop(struct flight_engine *engine)
{
	struct flight_ask ask = plain();
	struct flight_reader *r;
	ask.leads_only = true;
	ask.engine = engine;
	ask.notify = notify;
	ask.notify_ctx = &notified;
	notified = 0;
	assert_int_equal(flight_join(flights, &ask, &r), FLIGHT_LEADS);
	return r;
}

static void a_leader_that_does_not_block_is_notified_of_each_batch(void **state)
{
	(void)state;
	struct flight_engine loop = {.engine = fake};
	struct flight_reader *r = lead_from_loop(&loop);
	struct fetch *f = fake_fetch(0);
	assert_int_equal(flight_reader_progress(r, 100), FLIGHT_NOTHING);
	f->ops->head(f->ctx, 200, 1, span_of(FRESH), 5);
	f->ops->data(f->ctx, "hello", 5);
	assert_int_equal(notified, 0);
	flight_engine_batch_end(&loop);
	assert_int_equal(notified, 1);
	assert_int_equal(flight_reader_progress(r, 100), FLIGHT_GOES_ON);
	struct engine_end end = {.outcome = ENGINE_OK, .message = "", .fd = -1};
	f->done = true;
	f->ops->done(f->ctx, &end);
	flight_engine_batch_end(&loop);
	assert_int_equal(notified, 2);
	assert_int_equal(flight_reader_progress(r, 4), FLIGHT_GOES_ON);
	assert_int_equal(flight_reader_progress(r, 5), FLIGHT_WHOLE);
	hears_head(r, 200);
	assert_int_equal(reads(r, false, "hello"), FLIGHT_END);
	flight_reader_leave(r);
	stores("hello");
}

static void a_leader_that_blocks_again_is_notified_no_more(void **state)
{
	(void)state;
	struct flight_engine loop = {.engine = fake};
	struct flight_reader *r = lead_from_loop(&loop);
	struct fetch *f = fake_fetch(0);
	flight_reader_block(r);
	f->ops->head(f->ctx, 200, 1, span_of("Cache-Control: no-store\n"), 5);
	flight_engine_batch_end(&loop);
	assert_int_equal(notified, 0);
	hears_head(r, 200);
	flight_reader_leave(r);
	fake_done(f, ENGINE_CANCELLED, "");
	flight_engine_batch_end(&loop);
}

static void a_loop_leads_only_where_there_is_no_other_flight(void **state)
{
	(void)state;
	struct fetch *f;
	struct flight_engine loop = {.engine = fake};
	struct flight_reader *first = lead(&f), *r;
	struct flight_ask ask = plain();
	ask.leads_only = true;
	ask.engine = &loop;
	ask.notify = notify;
	assert_int_equal(flight_join(flights, &ask, &r), FLIGHT_LOOK_AGAIN);
	leave(first);
}

static void a_fetch_without_an_address_goes_on_with_the_engine_that_looks_names_up(void **state)
{
	(void)state;
	struct flight_engine loop = {.engine = fake};
	struct flight_reader *r = lead_from_loop(&loop);
	struct fetch *f = fake_fetch(0);
	struct engine_end end = {.outcome = ENGINE_NO_ADDRESS, .message = "", .fd = -1};
	f->done = true;
	f->ops->done(f->ctx, &end);
	flight_engine_batch_end(&loop);
	assert_int_equal(notified, 1);
	assert_int_equal(flight_reader_progress(r, 100), FLIGHT_GOES_ON);
	assert_int_equal(fake_count(), 2);
	flight_reader_block(r);
	fake_reply(fake_fetch(1), 200, FRESH, "hello");
	hears_head(r, 200);
	assert_int_equal(reads(r, true, "hello"), FLIGHT_END);
	flight_reader_leave(r);
	stores("hello");
}

static void a_body_is_resumed_by_the_engine_that_looks_names_up(void **state)
{
	(void)state;
	struct engine own = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct flight_engine loop = {.engine = &own};
	struct flight_reader *r = lead_from_loop(&loop);
	struct fetch *f = own.fetches[0];
	struct engine_end end = {.outcome = ENGINE_BROKEN, .message = "", .fd = -1};
	f->ops->head(f->ctx, 200, 1, span_of(STRONG), 10);
	f->ops->data(f->ctx, "01234", 5);
	f->ops->done(f->ctx, &end);
	flight_engine_batch_end(&loop);
	assert_int_equal(own.count, 1);
	assert_int_equal(fake_count(), 1);
	assert_non_null(strstr(fake_fetch(0)->fields, "Range: bytes=5-"));
	flight_reader_block(r);
	fake_head(fake_fetch(0), 206, STRONG "Content-Range: bytes 5-9/10\n", 5);
	fake_text(fake_fetch(0), "56789");
	fake_done(fake_fetch(0), ENGINE_OK, "");
	hears_head(r, 200);
	assert_int_equal(reads(r, true, "0123456789"), FLIGHT_END);
	flight_reader_leave(r);
	free(f->method);
	free(f->url);
	free(f->fields);
	free(f);
	stores("0123456789");
}

static void a_fetch_without_an_address_ends_when_nobody_waits_for_it(void **state)
{
	(void)state;
	struct flight_engine loop = {.engine = fake};
	struct flight_reader *r = lead_from_loop(&loop);
	struct fetch *f = fake_fetch(0);
	struct engine_end end = {.outcome = ENGINE_NO_ADDRESS, .message = "", .fd = -1};
	flight_reader_leave(r);
	assert_true(f->cancelled);
	f->done = true;
	f->ops->done(f->ctx, &end);
	flight_engine_batch_end(&loop);
	assert_int_equal(fake_count(), 1);
	stores(NULL);
}

static void where_a_handshake_is_needed_a_loop_does_not_fetch(void **state)
{
	(void)state;
	struct buf why;
	buf_init(&why, BUF_LINE);
	struct named_sites *sites = named_sites_new();
	assert_int_equal(named_sites_add(sites, "plain.example=http://127.0.0.1:8080", &why), 0);
	assert_int_equal(named_sites_add(sites, "mixed.example=http://127.0.0.1:8080,https://127.0.0.1:8443", &why), 0);
	flight_close(flights);
	struct flight_config config = {.store = house->store, .limits.collapse_wait_s = 1, .sites = sites};
	flights = flight_open(&config, &house->why);
	assert_false(flight_is_secure(flights, "http://example.com/"));
	assert_true(flight_is_secure(flights, "https://example.com/"));
	assert_false(flight_is_secure(flights, "https://plain.example/"));
	assert_true(flight_is_secure(flights, "http://mixed.example/"));
	flight_close(flights);
	named_sites_free(sites);
	start_flights(3600, 0);
	buf_fini(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FLIGHT_TEST(the_first_leads_and_the_others_share_its_fetch),
	    FLIGHT_TEST(one_who_comes_in_the_middle_reads_from_the_beginning),
	    FLIGHT_TEST(a_reader_may_begin_in_the_middle_of_the_body),
	    FLIGHT_TEST(requests_that_others_may_not_join_are_fetched_one_by_one),
	    FLIGHT_TEST(a_flight_from_another_row_or_before_another_purge_is_not_joined),
	    FLIGHT_TEST(one_who_looked_before_another_flight_ended_looks_again),
	    FLIGHT_TEST(without_memory_there_is_no_reader_and_nothing_is_left),
	    FLIGHT_TEST(a_response_that_may_not_be_shared_releases_all_but_the_leader),
	    FLIGHT_TEST(an_unshareable_url_stays_known_while_it_is_asked_for),
	    FLIGHT_TEST(a_variant_is_for_those_whose_request_selects_it),
	    FLIGHT_TEST(interim_heads_are_for_the_leader),
	    FLIGHT_TEST(after_the_wait_a_follower_starts_a_flight_of_its_own),
	    FLIGHT_TEST(a_follower_waits_on_while_another_flight_has_just_started),
	    FLIGHT_TEST(no_second_flight_starts_next_to_one_that_has_its_head),
	    FLIGHT_TEST(a_later_flight_is_stored_only_if_the_first_has_ended),
	    FLIGHT_TEST(a_failure_before_the_head_is_everybodys),
	    FLIGHT_TEST(a_body_that_breaks_off_is_not_whole_for_anybody),
	    FLIGHT_TEST(a_fetch_is_cancelled_when_the_last_reader_leaves),
	    FLIGHT_TEST(one_whose_client_is_gone_is_told_so),
	    FLIGHT_TEST(the_origin_waits_for_a_reader_of_what_is_not_stored),
	    FLIGHT_TEST(all_who_wait_wake_up_and_read_the_same),
	    FLIGHT_TEST(every_state_has_a_gauge),
	    FLIGHT_TEST(a_redirect_that_nobody_waits_for_ends_the_flight),
	    FLIGHT_TEST(a_leader_that_does_not_block_is_notified_of_each_batch),
	    FLIGHT_TEST(a_leader_that_blocks_again_is_notified_no_more),
	    FLIGHT_TEST(where_a_handshake_is_needed_a_loop_does_not_fetch),
	    FLIGHT_TEST(a_loop_leads_only_where_there_is_no_other_flight),
	    FLIGHT_TEST(a_fetch_without_an_address_goes_on_with_the_engine_that_looks_names_up),
	    FLIGHT_TEST(a_body_is_resumed_by_the_engine_that_looks_names_up),
	    FLIGHT_TEST(a_fetch_without_an_address_ends_when_nobody_waits_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
