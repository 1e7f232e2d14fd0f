/*
 * flight_fixture: flights over a real store and a fake engine, used through flight.h. The test's thread joins, plays
 * the origin, and reads afterwards. Reading what has arrived does not wait, so most tests need no second thread.
 */
#ifndef CURLEW_TESTS_FLIGHT_FIXTURE_H
#define CURLEW_TESTS_FLIGHT_FIXTURE_H

#include "unit/store_fixture.h"

#include "fetch/flight.h"
#include "unit/fake_engine.h"

#define URL "http://example.com/x"
#define FRESH "Cache-Control: max-age=600\n"
#define STRONG FRESH "ETag: \"1\"\n"

static struct house *house;
static struct flight_table *flights;
static struct head requests[2];           /* a plain one, and one in French */
static struct flight_reader *readers[64]; /* those not left: flight_close() would wait for them after a test that fails
					   */

static inline void start_flights(double collapse_wait_s, int64_t max_body)
{
	struct flight_config config = {.store = house->store,
	    .limits.collapse_wait_s = collapse_wait_s,
	    .limits.max_body = max_body,
	    .limits.too_large = "larger than this test allows"};
	flights = flight_open(&config, &house->why);
	assert_non_null(flights);
}

/* Waits until the store has all that it will get, and begins with an empty table and other settings. */
static inline void restart_flights(double collapse_wait_s, int64_t max_body)
{
	flight_close(flights);
	start_flights(collapse_wait_s, max_body);
}

static inline int open_flights(void **state)
{
	static const char *const texts[] = {"GET /x HTTP/1.1\r\nHost: example.com\r\n\r\n",
	    "GET /x HTTP/1.1\r\nHost: example.com\r\nAccept-Language: fr\r\n\r\n"};
	struct fault fault;
	if (open_house(state) != 0)
		return -1;
	house = *state;
	for (size_t i = 0; i < 2; i++) {
		message_init(&requests[i]);
		assert_int_equal(message_parse_request(&requests[i], span_of(texts[i]), &fault), MESSAGE_WHOLE);
	}
	start_flights(3600, 0);
	return 0;
}

static inline int close_flights(void **state)
{
	for (size_t i = 0; i < 64; i++) {
		flight_reader_leave(readers[i]);
		readers[i] = NULL;
	}
	flight_close(flights);
	for (size_t i = 0; i < 2; i++)
		message_fini(&requests[i]);
	return close_house(state);
}

/* A plain GET that others may join. */
static inline struct flight_ask plain(void)
{
	return (struct flight_ask){.method = span_of("GET"),
	    .url = URL,
	    .fields = span_of("Accept: text/plain\n"),
	    .shared = true,
	    .max_age_s = -1,
	    .upload_bytes = ENGINE_NO_UPLOAD,
	    .generation = flight_generation(flights, URL),
	    .request = &requests[0]};
}

static inline struct flight_ask in_french(void)
{
	struct flight_ask ask = plain();
	ask.fields = span_of("Accept-Language: fr\n");
	ask.request = &requests[1];
	return ask;
}

static inline struct flight_reader *join(struct flight_ask ask, enum flight_joined wanted)
{
	struct flight_reader *s = NULL;
	enum flight_joined joined = flight_join(flights, &ask, &s);
	size_t i = 0;
	while (s != NULL && readers[i] != NULL)
		i++;
	if (s != NULL)
		readers[i] = s;
	assert_int_equal(joined, wanted);
	return s;
}

static inline void leave(struct flight_reader *s)
{
	for (size_t i = 0; i < 64; i++)
		if (readers[i] == s)
			readers[i] = NULL;
	flight_reader_leave(s);
}

/* A reader of a plain GET that leads, and its fetch. */
static inline struct flight_reader *lead(struct fetch **fetch)
{
	struct flight_reader *s = join(plain(), FLIGHT_LEADS);
	*fetch = fake_fetch(fake_count() - 1);
	return s;
}

static inline struct flight_reader *follow(void)
{
	return join(plain(), FLIGHT_FOLLOWS);
}

static inline enum flight_wait_result hear(struct flight_reader *s)
{
	struct flight_response a;
	return flight_reader_wait(s, &a);
}

/* A final head of that status has come for the reader. */
static inline void hears_head(struct flight_reader *s, int status)
{
	struct flight_response a;
	assert_int_equal(flight_reader_wait(s, &a), FLIGHT_RESPONSE);
	assert_int_equal(a.status, status);
}

/* The rest of the body as far as it comes, and how it ends; it must be `wanted`. */
static inline enum flight_read reads(struct flight_reader *s, bool wait, const char *wanted)
{
	static _Thread_local char got[4 << 20];
	struct flight_bytes p;
	enum flight_read end;
	size_t n = 0;
	while ((end = flight_reader_read(s, wait, &p)) == FLIGHT_BYTES || end == FLIGHT_FILE) {
		assert_true(n + p.n < sizeof got);
		if (end == FLIGHT_BYTES)
			memcpy(got + n, p.bytes, p.n);
		else
			assert_int_equal(pread(p.fd, got + n, p.n, p.at), p.n);
		n += p.n;
	}
	got[n] = '\0';
	assert_string_equal(got, wanted);
	return end;
}

/* Ends what is in progress, and looks: what body is stored? NULL: none. */
static inline void stores(const char *body)
{
	restart_flights(3600, 0);
	store_flush(house->store);
	struct entry *e = find(house->store, URL);
	if ((e != NULL) != (body != NULL))
		fail_msg("%s", e != NULL ? "it is stored" : "it is not stored");
	if (e != NULL)
		assert_true(body_is(house->store, e, body));
	entry_free(e);
}

#define FLIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, open_flights, close_flights)

#endif
