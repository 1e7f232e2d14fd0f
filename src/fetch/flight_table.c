/*
 * The table of flights: every GET in the air hangs in a bucket by the hash of its URL until it is over, the latest
 * first, so that others can join it and an invalidation can reach it. Beside it a small memory of URLs whose last
 * answer could not be shared: requests for those do not wait for one another (a wrong entry after a hash collision
 * costs a collapse, nothing else).
 */
#include "fetch/flight_internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/thread.h"
#include "http/key.h"
#include "http/policy_freshness.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

int64_t flight_now(void)
{
	return (int64_t)time(NULL);
}

int64_t flight_asked_at(const struct flight *f, int64_t now)
{
	return now - (clock_ms() - f->asked_ms) / 1000;
}

uint64_t flight_table_hash(const char *url)
{
	uint64_t h = hash_text(HASH_BEGIN, url);
	return h ^ h >> 32;
}

uint64_t flight_table_resource(const char *url)
{
	char *normal = NULL;
	key_normal(url, &normal);
	uint64_t hash = flight_table_hash(normal != NULL ? normal : url);
	free(normal);
	return hash;
}

static struct flight_bucket *bucket_of(struct flight_table *t, uint64_t resource)
{
	return &t->buckets[resource % FLIGHT_BUCKETS];
}

static void table_add(struct flight_table *t, struct flight *f)
{
	struct flight **first = &bucket_of(t, f->resource)->first;
	f->bucket_next = *first;
	f->bucket_link = first;
	if (*first != NULL)
		(*first)->bucket_link = &f->bucket_next;
	*first = f;
	f->in_table = true;
	f->refs++; /* nobody else knows it yet */
}

void flight_table_close(struct flight *f)
{
	struct flight_table *t = f->flights;
	pthread_mutex_lock(&t->lock);
	bool was_in = f->in_table;
	if (was_in) {
		*f->bucket_link = f->bucket_next;
		if (f->bucket_next != NULL)
			f->bucket_next->bucket_link = f->bucket_link;
		f->in_table = false;
		bucket_of(t, f->resource)->landed++;
	}
	pthread_mutex_unlock(&t->lock);
	if (was_in)
		flight_drop(f);
}

void flight_table_note_pass(struct flight_table *t, uint64_t hash, bool pass)
{
	pthread_mutex_lock(&t->lock);
	size_t i = hash % FLIGHT_PASSES;
	if (pass) {
		t->passes[i].hash = hash;
		t->passes[i].until = flight_now() + FLIGHT_PASS_S;
	} else if (t->passes[i].hash == hash) {
		t->passes[i].until = 0;
	}
	pthread_mutex_unlock(&t->lock);
}

bool flight_table_is_pass(struct flight_table *t, uint64_t hash)
{
	size_t i = hash % FLIGHT_PASSES;
	return t->passes[i].hash == hash && t->passes[i].until > flight_now();
}

bool flight_table_passes(struct flight_table *t, const char *url)
{
	pthread_mutex_lock(&t->lock);
	bool passes = flight_table_is_pass(t, flight_table_hash(url));
	pthread_mutex_unlock(&t->lock);
	return passes;
}

/* The first flight of the URL that is of the wanted kind, its lock held; NULL: none. Under the table's lock. */
static struct flight *find_locked(struct flight_table *t, const char *url, uint64_t resource,
    bool (*is)(const struct flight *, bool alone), bool alone)
{
	for (struct flight *f = bucket_of(t, resource)->first; f != NULL; f = f->bucket_next) {
		if (f->resource != resource || strcmp(f->url, url) != 0)
			continue;
		pthread_mutex_lock(&f->lock);
		if (is(f, alone))
			return f;
		pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

static bool is_arriving(const struct flight *f, bool alone)
{
	(void)alone;
	return (f->state == FLIGHT_STREAMING || f->state == FLIGHT_LANDED) && f->shared && f->shareable && !f->given_up;
}

int64_t flight_table_arrived(struct flight_table *t, const char *url, int64_t *body_bytes)
{
	int64_t arrived = 0;
	*body_bytes = -1;
	uint64_t resource = flight_table_resource(url);
	pthread_mutex_lock(&t->lock);
	struct flight *f = find_locked(t, url, resource, is_arriving, false);
	if (f != NULL) {
		arrived = f->received;
		*body_bytes = f->body_bytes;
		pthread_mutex_unlock(&f->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return arrived;
}

static bool is_settling(const struct flight *f, bool alone)
{
	return f->state == FLIGHT_LANDED && !f->forgotten && (alone || !f->shareable);
}

bool flight_table_settle(struct flight_table *t, const char *url, bool alone)
{
	uint64_t resource = flight_table_resource(url);
	pthread_mutex_lock(&t->lock);
	struct flight *f = find_locked(t, url, resource, is_settling, alone);
	pthread_mutex_unlock(&t->lock);
	if (f == NULL)
		return false;
	flight_hold(f);
	struct timespec until = clock_after_us(FLIGHT_SETTLE_MS * 1000);
	int rc = 0;
	while (f->state == FLIGHT_LANDED && rc == 0)
		rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
	bool settled = f->state != FLIGHT_LANDED;
	pthread_mutex_unlock(&f->lock);
	flight_drop(f);
	return settled;
}

uint64_t flight_table_landed(struct flight_table *t, const char *url)
{
	uint64_t resource = flight_table_resource(url);
	pthread_mutex_lock(&t->lock);
	uint64_t landed = bucket_of(t, resource)->landed;
	pthread_mutex_unlock(&t->lock);
	return landed;
}

void flight_table_forget(struct flight_table *t, const char *url, const struct flight *but)
{
	uint64_t resource = flight_table_resource(url);
	pthread_mutex_lock(&t->lock);
	for (struct flight *f = bucket_of(t, resource)->first; f != NULL; f = f->bucket_next) {
		if (f == but || f->resource != resource) /* two URLs of one hash cost one of them its row */
			continue;
		pthread_mutex_lock(&f->lock);
		f->forgotten = true;
		pthread_mutex_unlock(&f->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- several flights of one URL --- */

/* The next flight of f's URL that others may join or wait for, at or after g in the bucket. Under the table's lock. */
static struct flight *next_alike(const struct flight *f, struct flight *g)
{
	while (g != NULL && (g == f || !g->shared || g->hash != f->hash || strcmp(g->url, f->url) != 0))
		g = g->bucket_next;
	return g;
}

int64_t flight_table_take_turn(struct flight *f)
{
	struct flight_table *t = f->flights;
	int64_t now = clock_ms();
	pthread_mutex_lock(&t->lock);
	int64_t next = f->next_ms;
	for (struct flight *g = bucket_of(t, f->resource)->first; (g = next_alike(f, g)) != NULL; g = g->bucket_next)
		if (g->next_ms > next)
			next = g->next_ms;
	if (next <= now) {
		f->next_ms = now + t->collapse_wait_ms;
		next = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return next;
}

void flight_table_overtake(struct flight *f)
{
	struct flight_table *t = f->flights;
	pthread_mutex_lock(&t->lock);
	for (struct flight *g = bucket_of(t, f->resource)->first; (g = next_alike(f, g)) != NULL; g = g->bucket_next) {
		pthread_mutex_lock(&g->lock);
		if (g->state == FLIGHT_ASKING) {
			g->overtakes++;
			pthread_cond_broadcast(&g->changed);
		}
		pthread_mutex_unlock(&g->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

/* A bucket begins with the latest. */
bool flight_table_is_beside(struct flight *f)
{
	bool beside = false;
	if (!f->apart)
		return false;
	pthread_mutex_lock(&f->flights->lock);
	struct flight *g = f->in_table ? f->bucket_next : NULL;
	for (; !beside && (g = next_alike(f, g)) != NULL; g = g->bucket_next) {
		pthread_mutex_lock(&g->lock);
		beside = !g->forgotten;
		pthread_mutex_unlock(&g->lock);
	}
	pthread_mutex_unlock(&f->flights->lock);
	return beside;
}

/* --- taking off --- */

static void flight_free(struct flight *f)
{
	stream_buffer_fini(&f->buffer);
	while (f->interims != NULL) {
		struct interim *i = f->interims;
		f->interims = i->next;
		free(i);
	}
	flight_store_fini(f);
	body_free(f->body);
	entry_free(f->was);
	entry_free(f->chosen);
	partial_body_free(f->partial);
	free(f->validator);
	free(f->fetch_url);
	free((char *)f->decision.tag);
	free(f->redirect);
	index_rows_free(&f->variants);
	entry_free(f->entry);
	message_fini(&f->request);
	buf_fini(&f->head);
	buf_fini(&f->upload);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f->url);
	free(f->method);
	free(f->fields);
	free(f->message);
	free(f->trailers);
	free(f);
}

static void flight_end(struct flight *f)
{
	struct flight_table *t = f->flights;
	flight_free(f);
	pthread_mutex_lock(&t->lock);
	if (--t->alive == 0)
		pthread_cond_broadcast(&t->none_alive);
	pthread_mutex_unlock(&t->lock);
}

static void end_on_disk(struct disk_job *job)
{
	flight_end((struct flight *)(void *)((char *)job - offsetof(struct flight, job)));
}

/* Unlinking a body nobody owns may take long: not on the engine's thread. */
static void flight_destroy(struct flight *f)
{
	if (f->body == NULL || f->committed) {
		flight_end(f);
		return;
	}
	f->job.run = end_on_disk;
	store_on_disk(f->flights->config.store, &f->job);
}

void flight_hold(struct flight *f)
{
	f->refs++;
}

void flight_drop(struct flight *f)
{
	pthread_mutex_lock(&f->lock);
	bool last = --f->refs == 0;
	pthread_mutex_unlock(&f->lock);
	if (last)
		flight_destroy(f);
}

static char *span_copy(struct span s)
{
	char *copy = malloc(s.len + 1);
	if (copy != NULL) {
		if (s.len > 0)
			memcpy(copy, s.at, s.len);
		copy[s.len] = '\0';
	}
	return copy;
}

static struct flight *flight_new(struct flight_table *t, const struct flight_ask *ask, uint64_t resource)
{
	struct flight *f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	thread_cond_init(&f->changed);
	f->flights = t;
	f->hash = flight_table_hash(ask->url);
	f->resource = resource;
	f->url = strdup(ask->url);
	f->method = span_copy(ask->method);
	f->fields = span_copy(ask->fields);
	f->was = ask->was != NULL ? entry_copy(ask->was) : NULL;
	f->conditional = ask->conditional;
	f->apart = ask->apart;
	f->background = ask->background;
	f->purge_id = ask->purge_id;
	f->asked_ms = clock_ms();
	f->next_ms = f->asked_ms + t->collapse_wait_ms;
	f->body_bytes = f->expected_end = f->resumed_at = -1;
	buf_init(&f->head, BUF_HEAD);
	buf_init(&f->upload, FLIGHT_UPLOAD);
	message_init(&f->request);
	f->has_body = ask->upload_bytes != ENGINE_NO_UPLOAD;
	f->fetch_url = strdup(ask->fetch_url != NULL ? ask->fetch_url : ask->url);
	rules_judge(NULL, ask->url, &f->decision);
	if (ask->decision != NULL)
		f->decision = *ask->decision;
	f->decision.tag = f->decision.tag != NULL ? strdup(f->decision.tag) : NULL;
	f->follows = f->decision.follow_redirects && !f->has_body &&
		     (span_is(ask->method, "GET") || span_is(ask->method, "HEAD"));
	bool copied =
	    f->fetch_url != NULL && (ask->variants == NULL || index_rows_copy(ask->variants, &f->variants) == 0);
	bool ok =
	    copied && f->url != NULL && f->method != NULL && f->fields != NULL && (ask->was == NULL || f->was != NULL);
	if (ok && message_parse_fields(&f->request, span_of(f->fields)) == 0) {
		f->request.method = span_of(f->method);
		return f;
	}
	flight_free(f);
	return NULL;
}

static void take_seat(struct flight *f, struct flight_reader *s, const struct flight_ask *ask, bool leads)
{
	s->flight = f;
	s->leads = leads;
	s->late = f->state != FLIGHT_ASKING;
	s->late_ms = clock_ms() + f->flights->collapse_wait_ms;
	s->overtakes = f->overtakes;
	s->request = ask->request;
	s->gone = ask->gone;
	s->gone_ctx = ask->gone_ctx;
	s->link = &f->readers;
	s->next = f->readers;
	if (f->readers != NULL)
		f->readers->link = &s->next;
	f->readers = s;
	f->reader_count++;
	f->refs++;
}

/* An answer that has begun is joined as long as a stored one would be a hit (RFC 9111 4, 5.2.1.1). Under the flight's
 * lock. */
static bool may_be_reused(const struct flight *f, const struct flight_ask *ask)
{
	int64_t now = flight_now();
	if (f->state == FLIGHT_ASKING)
		return true;
	return f->shareable && f->entry != NULL && now < f->entry->fresh_until &&
	       !policy_freshness_is_dated_ahead(f->answered_at, now) &&
	       (ask->max_age_s < 0 || f->verdict.initial_age_s + now - f->answered_at <= ask->max_age_s);
}

/* Joins a shared flight of this URL, one that has its head or one that has none, if it set out from the same row: one
 * whose row has been deleted since began before that purge (invariant 8), and any purge since may have been meant for
 * it. Under the table's lock. */
static bool join_existing(
    struct flight_table *t, const struct flight_ask *ask, uint64_t resource, bool has_head, struct flight_reader *s)
{
	int64_t was_id = ask->was != NULL ? ask->was->id : 0;
	for (struct flight *f = bucket_of(t, resource)->first; f != NULL; f = f->bucket_next) {
		if (!f->shared || f->resource != resource || strcmp(f->url, ask->url) != 0 ||
		    f->purge_id != ask->purge_id || (f->was != NULL ? f->was->id : 0) != was_id)
			continue;
		pthread_mutex_lock(&f->lock);
		bool live =
		    has_head ? f->state == FLIGHT_STREAMING || f->state == FLIGHT_LANDED : f->state == FLIGHT_ASKING;
		bool open = live && !f->forgotten && !f->given_up && may_be_reused(f, ask);
		if (open)
			take_seat(f, s, ask, false);
		pthread_mutex_unlock(&f->lock);
		if (open)
			return true;
	}
	return false;
}

static int take_off(struct flight *f, const struct flight_ask *ask)
{
	struct fetch_spec spec = {
	    .method = f->method,
	    .url = f->fetch_url,
	    .fields = span_of(f->fields),
	    .upload_bytes = ask->upload_bytes,
	    .asterisk = ask->asterisk,
	    .trusted = f->flights->config.trusted,
	    .idempotent = !policy_is_unsafe(ask->method) && ask->upload_bytes == ENGINE_NO_UPLOAD,
	};
	pthread_mutex_lock(&f->lock);
	f->refs++; /* the engine's */
	f->partial = ask->partial;
	f->fetch = engine_start(f->flights->engine, &spec, &flight_receive_ops, f);
	bool ok = f->fetch != NULL;
	if (!ok) {
		f->refs--;
		f->partial = NULL; /* still the asker's */
	}
	pthread_mutex_unlock(&f->lock);
	return ok ? 0 : -1;
}

/* A reader in what is in progress, else the leader's in the new flight f, which is now in the table; f NULL: is one
 * needed? */
static enum flight_joined enter(
    struct flight_table *t, const struct flight_ask *ask, uint64_t resource, struct flight *f, struct flight_reader *s)
{
	enum flight_joined joined = FLIGHT_LEADS;
	pthread_mutex_lock(&t->lock);
	if (ask->shared &&
	    (join_existing(t, ask, resource, true, s) || (!ask->apart && join_existing(t, ask, resource, false, s)))) {
		joined = FLIGHT_FOLLOWS;
	} else if (ask->shared && bucket_of(t, resource)->landed != ask->landed) {
		joined = FLIGHT_LOOK_AGAIN;
	} else if (f != NULL) {
		f->passes = ask->shared && flight_table_is_pass(t, f->hash);
		f->shared = ask->shared && !f->passes;
		t->alive++;
		take_seat(f, s, ask, true);
		if (strcmp(f->method, "GET") == 0 || strcmp(f->method, "POST") == 0) /* what may be stored can be
											forgotten */
			table_add(t, f);
	}
	pthread_mutex_unlock(&t->lock);
	return joined;
}

/* Memory has run out before the engine had it. */
static void crash(struct flight *f)
{
	pthread_mutex_lock(&f->lock);
	f->outcome = ENGINE_TROUBLE;
	flight_enter(f, FLIGHT_DEAD);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	flight_table_close(f);
}

enum flight_joined flight_join(struct flight_table *t, const struct flight_ask *ask, struct flight_reader **out)
{
	uint64_t resource = flight_table_resource(ask->url);
	struct flight_reader *s = calloc(1, sizeof *s);
	struct flight *f = NULL;
	*out = NULL;
	if (s == NULL)
		return FLIGHT_NO_MEMORY;
	enum flight_joined joined = enter(t, ask, resource, NULL, s);
	if (joined == FLIGHT_LEADS) { /* without the lock: a flight takes memory and copies rows */
		f = flight_new(t, ask, resource);
		joined = f != NULL ? enter(t, ask, resource, f, s) : FLIGHT_NO_MEMORY;
		if (f != NULL && joined != FLIGHT_LEADS)
			flight_free(f);
	}
	if (joined == FLIGHT_LOOK_AGAIN || joined == FLIGHT_NO_MEMORY) {
		free(s);
		return joined;
	}
	if (joined == FLIGHT_LEADS && take_off(f, ask) != 0) {
		crash(f);
		flight_leave(s);
		return FLIGHT_NO_MEMORY;
	}
	*out = s;
	return joined;
}

/* --- the process's table --- */

struct flight_table *flight_table_new(const struct flight_table_config *config, struct buf *why)
{
	struct flight_table *t = calloc(1, sizeof *t);
	if (t == NULL) {
		buf_adds(why, "fetching: out of memory");
		return NULL;
	}
	t->config = *config;
	t->config.engine.batch_end = flight_receive_batch_end;
	t->config.engine.ctx = t;
	t->collapse_wait_ms = (int64_t)(config->collapse_wait_s * 1000);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->none_alive, NULL);
	t->joins = joins_new(config->store, &t->config.policy, config->max_body);
	if (t->joins == NULL)
		buf_adds(why, "fetching: out of memory");
	else
		t->engine = engine_new(&t->config.engine, why);
	if (t->engine == NULL) {
		joins_free(t->joins);
		pthread_mutex_destroy(&t->lock);
		free(t);
		return NULL;
	}
	return t;
}

void flight_table_free(struct flight_table *t)
{
	if (t == NULL)
		return;
	engine_free(t->engine);
	pthread_mutex_lock(&t->lock);
	while (t->alive > 0) /* those on their way to the store */
		pthread_cond_wait(&t->none_alive, &t->lock);
	pthread_mutex_unlock(&t->lock);
	joins_free(t->joins);
	pthread_cond_destroy(&t->none_alive);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void flight_table_join_stored(struct flight_table *t)
{
	joins_add_stored(t->joins);
}

struct engine *flight_table_engine(struct flight_table *t)
{
	return t->engine;
}
