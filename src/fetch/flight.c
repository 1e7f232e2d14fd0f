/*
 * Joining and starting. flight_join() looks under the table's lock for a flight that may be joined. If there is none it
 * makes one without the lock (that takes memory and copies rows), and looks once more before it adds its own: of two
 * threads that both found nothing, one leads and the other follows.
 *
 * The race with storing is closed by the bucket's generation. A request reads the generation, looks the URL up in the
 * index, and joins. If a flight was committed and left the table in between, the look-up may have been too early to see
 * the row and the join is too late to find the flight. Then the generation has changed, and FLIGHT_LOOK_AGAIN is
 * returned.
 */
#include "fetch/flight.h"

#include "base/clock.h"
#include "base/thread.h"
#include "fetch/address_cache.h"
#include "fetch/combiner.h"
#include "fetch/engine_thread.h"
#include "fetch/flight_engine.h"
#include "fetch/flight_fetch.h"
#include "fetch/flight_receive.h"
#include "fetch/flight_state.h"
#include "fetch/flight_table.h"
#include "fetch/named_sites.h"
#include "http/policy_freshness.h"

#include <stdlib.h>
#include <string.h>

enum { AWAIT_ROW_MS = 100 }; /* the longest wait for a row that is being committed, before asking the origin again */

/* --- questions about a URL --- */

uint64_t flight_generation(struct flight_table *t, const char *url)
{
	uint64_t resource = flight_table_resource(url);
	pthread_mutex_lock(&t->lock);
	uint64_t generation = flight_table_bucket(t, resource)->generation;
	pthread_mutex_unlock(&t->lock);
	return generation;
}

void flight_invalidate(struct flight_table *t, const char *url)
{
	flight_table_invalidate(t, url, NULL); /* first: see invalidation.c */
	store_invalidate(t->config.store, url);
}

bool flight_is_unshareable(struct flight_table *t, const char *url)
{
	pthread_mutex_lock(&t->lock);
	bool unshareable = flight_table_is_unshareable(t, flight_table_hash(url));
	pthread_mutex_unlock(&t->lock);
	return unshareable;
}

int64_t flight_withdrawn_row(struct flight_table *t, const char *url)
{
	return flight_table_withdrawn_row(t, url);
}

bool flight_is_secure(const struct flight_table *t, const char *url)
{
	const struct named_site *site = named_sites_of_url(t->config.sites, url);
	if (site == NULL)
		return span_starts_nocase(span_of(url), "https:");
	for (unsigned i = 0; i < site->backend_count; i++)
		if (span_starts_nocase(span_of(site->backends[i].url), "https:"))
			return true;
	return false;
}

static bool is_arriving(const struct flight *f, bool alone)
{
	(void)alone;
	return (f->state == FLIGHT_STREAMING || f->state == FLIGHT_COMPLETE) && f->shared && f->shareable &&
	       !f->cancelled;
}

int64_t flight_arrived(struct flight_table *t, const char *url, int64_t *body_bytes)
{
	int64_t arrived = 0;
	*body_bytes = -1;
	struct flight *f = flight_table_find_locked(t, url, is_arriving, false);
	if (f != NULL) {
		arrived = f->received;
		*body_bytes = f->body_bytes;
		pthread_mutex_unlock(&f->lock);
	}
	return arrived;
}

static bool is_being_committed(const struct flight *f, bool alone)
{
	return f->state == FLIGHT_COMPLETE && !f->invalidated && (alone || !f->shareable);
}

/* Any state but COMPLETE ends the wait. The time is bounded, because a writer that waits for a disk must not hold up a
 * request that can be fetched (invariant 5). */
bool flight_await_row(struct flight_table *t, const char *url, bool alone)
{
	struct flight *f = flight_table_find_locked(t, url, is_being_committed, alone);
	if (f == NULL)
		return false;
	flight_state_hold(f); /* under its lock, while the table still has a reference */
	struct timespec until = clock_after_us(AWAIT_ROW_MS * 1000);
	int rc = 0;
	while (f->state == FLIGHT_COMPLETE && rc == 0)
		rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
	bool ended = f->state != FLIGHT_COMPLETE;
	pthread_mutex_unlock(&f->lock);
	flight_state_drop(f);
	return ended;
}

/* --- joining --- */

/* Under the flight's lock, or while no other thread knows the flight. */
static void add_reader(struct flight *f, struct flight_reader *r, const struct flight_ask *ask, bool leads)
{
	r->flight = f;
	r->leads = leads;
	r->joined_after_head = f->state != FLIGHT_WAITING;
	r->late_at_ms = clock_ms() + f->flights->collapse_wait_ms;
	r->overtakes = f->overtakes;
	r->request = ask->request;
	r->gone = ask->gone;
	r->gone_ctx = ask->gone_ctx;
	r->link = &f->readers;
	r->next = f->readers;
	if (f->readers != NULL)
		f->readers->link = &r->next;
	f->readers = r;
	f->reader_count++;
	flight_state_hold(f);
}

/* A response that has begun can be joined as long as a stored one would be a hit (RFC 9111 4, 5.2.1.1). Under the
 * flight's lock. */
static bool may_be_reused(const struct flight *f, const struct flight_ask *ask)
{
	int64_t now = flight_state_now();
	if (f->state == FLIGHT_WAITING)
		return true;
	return f->shareable && f->entry != NULL && now < f->entry->fresh_until &&
	       !policy_freshness_is_dated_ahead(f->head_at, now) &&
	       (ask->max_age_s < 0 || f->verdict.initial_age_s + now - f->head_at <= ask->max_age_s);
}

/* Joins a shared flight of this URL, either one that has its head or one that has none. Only flights that started from
 * the same row and after the same purge are joined: another one may have begun before a purge that was meant for it
 * (invariant 8). Under the table's lock. */
static bool join_existing(
    struct flight_table *t, const struct flight_ask *ask, uint64_t resource, bool has_head, struct flight_reader *r)
{
	int64_t was_id = ask->was != NULL ? ask->was->id : 0;
	for (struct flight *f = flight_table_bucket(t, resource)->first; f != NULL; f = f->bucket_next) {
		if (!f->shared || f->resource != resource || strcmp(f->url, ask->url) != 0 ||
		    f->purge_id != ask->purge_id || (f->was != NULL ? f->was->id : 0) != was_id)
			continue;
		pthread_mutex_lock(&f->lock);
		bool in_progress =
		    has_head ? f->state == FLIGHT_STREAMING || f->state == FLIGHT_COMPLETE : f->state == FLIGHT_WAITING;
		bool joins = in_progress && !f->invalidated && !f->cancelled && may_be_reused(f, ask);
		if (joins)
			add_reader(f, r, ask, false);
		pthread_mutex_unlock(&f->lock);
		if (joins)
			return true;
	}
	return false;
}

/* Only what may be stored is in the table: nothing else needs to be joined or invalidated. */
static bool belongs_in_table(const struct flight *f)
{
	return strcmp(f->method, "GET") == 0 || strcmp(f->method, "POST") == 0;
}

/* Under the table's lock. */
static bool has_flight(struct flight_table *t, uint64_t resource)
{
	const struct flight *f = flight_table_bucket(t, resource)->first;
	while (f != NULL && f->resource != resource)
		f = f->bucket_next;
	return f != NULL;
}

/* Joins what is in progress; else adds the new flight f with r as its leader. f NULL: FLIGHT_LEADS says that a flight
 * is needed, and nothing was done. */
static enum flight_joined enter_table(
    struct flight_table *t, const struct flight_ask *ask, uint64_t resource, struct flight *f, struct flight_reader *r)
{
	enum flight_joined joined = FLIGHT_LEADS;
	pthread_mutex_lock(&t->lock);
	/* Both looks and the generation under one hold of the lock: a flight that leaves the table between them would
	 * be missed by all three. */
	/* A flight that has its head is the better one. */
	if (ask->leads_only && has_flight(t, resource)) {
		joined = FLIGHT_LOOK_AGAIN;
	} else if (ask->shared && (join_existing(t, ask, resource, true, r) ||
				      (!ask->second && join_existing(t, ask, resource, false, r)))) {
		joined = FLIGHT_FOLLOWS;
	} else if (ask->shared && flight_table_bucket(t, resource)->generation != ask->generation) {
		joined = FLIGHT_LOOK_AGAIN;
	} else if (f != NULL) {
		f->known_unshareable = ask->shared && flight_table_is_unshareable(t, f->hash);
		f->shared = ask->shared && !f->known_unshareable;
		t->alive++;
		flight_state_begin(f);
		add_reader(f, r, ask, true);
		if (belongs_in_table(f))
			flight_table_add(t, f);
	}
	pthread_mutex_unlock(&t->lock);
	return joined;
}

/* --- starting --- */

static struct flight *new_flight(struct flight_table *t, const struct flight_ask *ask, uint64_t resource)
{
	struct flight *f = flight_state_new(t, ask, &flight_receive_ops);
	if (f != NULL) {
		f->hash = flight_table_hash(ask->url);
		f->resource = resource;
	}
	return f;
}

/* The flight is in the table already, so others may be waiting for it. 0, or -1: no memory. */
static int start(struct flight *f, const struct flight_ask *ask)
{
	struct flight_fetch_request request = {.fields = span_of(f->fields),
	    .upload_bytes = ask->upload_bytes,
	    .asterisk = ask->asterisk,
	    .trusted = f->flights->config.trusted};
	/* The lock is held until f->fetch is set. on_done may run before engine_start() has returned here, and clears
	 * f->fetch under this lock: in the other order the pointer of a freed fetch would stay. */
	pthread_mutex_lock(&f->lock);
	flight_state_hold(f); /* for the engine, until the last on_done */
	f->partial = ask->partial;
	int rc = flight_fetch_begin(f, &request);
	if (rc != 0) {
		f->refs--;         /* never the last one: the leader has one */
		f->partial = NULL; /* still the caller's */
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* The engine never learned of the flight, so on_done will not end it. */
static void fail_start(struct flight *f)
{
	pthread_mutex_lock(&f->lock);
	f->outcome = ENGINE_NO_MEMORY;
	flight_state_enter(f, FLIGHT_ABORTED);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	flight_table_remove(f);
}

enum flight_joined flight_join(struct flight_table *t, const struct flight_ask *ask, struct flight_reader **reader)
{
	uint64_t resource = flight_table_resource(ask->url);
	struct flight_reader *r = calloc(1, sizeof *r);
	struct flight *f = NULL;
	*reader = NULL;
	if (r == NULL)
		return FLIGHT_NO_MEMORY;
	enum flight_joined joined = enter_table(t, ask, resource, NULL, r);
	if (joined == FLIGHT_LEADS) {
		f = new_flight(t, ask, resource);
		joined = f != NULL ? enter_table(t, ask, resource, f, r) : FLIGHT_NO_MEMORY;
		if (f != NULL && joined != FLIGHT_LEADS)
			flight_state_free(f); /* another thread was faster */
	}
	/* Both leave nothing in the table, and no reader. */
	if (joined == FLIGHT_LOOK_AGAIN || joined == FLIGHT_NO_MEMORY) {
		free(r);
		return joined;
	}
	if (joined == FLIGHT_LEADS && start(f, ask) != 0) {
		fail_start(f);
		flight_reader_leave(r);
		return FLIGHT_NO_MEMORY;
	}
	*reader = r;
	return joined;
}

/* --- the flights of a process --- */

/* Last of all: from then on the engine's thread calls back. 0, or -1 with a sentence in why. */
static int start_engine(struct flight_table *t, struct buf *why)
{
	struct engine_config config = t->config.engine;
	config.looks_up = true;
	config.batch_end = flight_engine_batch_end;
	config.ctx = &t->own;
	t->own.engine = engine_new(&config, why);
	t->engine_thread = t->own.engine != NULL ? engine_thread_new(t->own.engine, why) : NULL;
	return t->engine_thread != NULL ? 0 : -1;
}

static void destroy(struct flight_table *t)
{
	compressor_free(t->compressor);
	combiner_free(t->combiner);
	address_cache_free(t->addresses);
	pthread_cond_destroy(&t->none_alive);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void flight_set_limits(struct flight_table *t, const struct flight_limits *limits)
{
	atomic_store(&t->max_body, limits->max_body);
	atomic_store(&t->too_large, limits->too_large);
	atomic_store(&t->collapse_wait_ms, (int64_t)(limits->collapse_wait_s * 1000));
	atomic_store(&t->engine_limits.connect_timeout_ms, (int64_t)(limits->connect_timeout_s * 1000));
	atomic_store(&t->engine_limits.origin_timeout_ms, (int64_t)(limits->origin_timeout_s * 1000));
}

struct flight_table *flight_open(const struct flight_config *config, struct buf *why)
{
	struct flight_table *t = calloc(1, sizeof *t);
	if (t == NULL) {
		buf_adds(why, "fetching: out of memory");
		return NULL;
	}
	t->config = *config;
	flight_set_limits(t, &config->limits);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->none_alive, NULL);
	t->combiner = combiner_new(config->store, &t->config.policy, &t->max_body);
	t->compressor = config->compress ? compressor_new(config->store) : NULL;
	t->addresses = address_cache_new();
	t->config.engine.addresses = t->addresses;
	t->config.engine.limits = &t->engine_limits;
	if (t->combiner == NULL || t->addresses == NULL || (config->compress && t->compressor == NULL))
		buf_adds(why, "fetching: out of memory");
	else if (start_engine(t, why) == 0)
		return t;
	destroy(t);
	return NULL;
}

void flight_close(struct flight_table *t)
{
	if (t == NULL)
		return;
	engine_thread_free(t->engine_thread); /* every on_done has been called after this */
	pthread_mutex_lock(&t->lock);
	while (t->alive > 0) /* the disk thread and the writer still have some */
		pthread_cond_wait(&t->none_alive, &t->lock);
	pthread_mutex_unlock(&t->lock);
	destroy(t);
}

void flight_want_copy(struct flight_table *t, const struct entry *original, enum compression coding, int64_t purge_id)
{
	compressor_want(t->compressor, original, coding, purge_id);
}

void flight_combine_stored(struct flight_table *t)
{
	combiner_add_stored(t->combiner);
}

struct engine *flight_engine(struct flight_table *t)
{
	return t->own.engine;
}
