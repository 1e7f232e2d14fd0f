/*
 * The buckets. Every flight of a GET or POST is in the bucket of its resource until it is over, the latest first, so
 * that others can join it and an invalidation can reach it. All spellings of a URL share a bucket; flights of one
 * spelling are joined, and an invalidation covers all spellings.
 *
 * The table also remembers URLs whose last response was not shareable: requests for them do not wait for one another.
 * That memory is a fixed array. Two URLs with the same slot push each other out, and a collision of hashes only means
 * that one URL is fetched once more than necessary.
 */
#include "fetch/flight_table.h"

#include "base/clock.h"
#include "base/hash.h"
#include "fetch/flight_state.h"
#include "http/groups.h"
#include "http/key.h"

#include <stdlib.h>
#include <string.h>

enum { UNSHAREABLE_S = 60 /* how long a URL is remembered as unshareable */ };

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

/* --- in and out --- */

struct flight_bucket *flight_table_bucket(struct flight_table *t, uint64_t resource)
{
	return &t->buckets[resource % FLIGHT_BUCKETS];
}

void flight_table_add(struct flight_table *t, struct flight *f)
{
	struct flight **first = &flight_table_bucket(t, f->resource)->first;
	f->bucket_next = *first;
	f->bucket_link = first;
	if (*first != NULL)
		(*first)->bucket_link = &f->bucket_next;
	*first = f;
	f->in_table = true;
	flight_state_hold(f); /* no other thread knows it yet, so its lock is not needed */
}

void flight_table_remove(struct flight *f)
{
	struct flight_table *t = f->flights;
	pthread_mutex_lock(&t->lock);
	bool was_in = f->in_table;
	if (was_in) {
		*f->bucket_link = f->bucket_next;
		if (f->bucket_next != NULL)
			f->bucket_next->bucket_link = f->bucket_link;
		f->in_table = false;
		/* In the same step: a request that no longer finds the flight must see another generation, and look the
		 * row up once more (flight_join). */
		flight_table_bucket(t, f->resource)->generation++;
	}
	pthread_mutex_unlock(&t->lock);
	if (was_in) /* after the lock: the last reference takes it again */
		flight_state_drop(f);
}

/* --- by URL --- */

struct flight *flight_table_find_locked(
    struct flight_table *t, const char *url, bool (*wanted)(const struct flight *, bool alone), bool alone)
{
	uint64_t resource = flight_table_resource(url);
	struct flight *f;
	pthread_mutex_lock(&t->lock);
	for (f = flight_table_bucket(t, resource)->first; f != NULL; f = f->bucket_next) {
		if (f->resource != resource || strcmp(f->url, url) != 0)
			continue;
		pthread_mutex_lock(&f->lock);
		if (wanted(f, alone))
			break;
		pthread_mutex_unlock(&f->lock);
	}
	/* The table's reference cannot go between these two locks: flight_state_drop() needs the flight's. */
	pthread_mutex_unlock(&t->lock);
	return f;
}

void flight_table_invalidate(struct flight_table *t, const char *url, const struct flight *but)
{
	uint64_t resource = flight_table_resource(url);
	pthread_mutex_lock(&t->lock);
	for (struct flight *f = flight_table_bucket(t, resource)->first; f != NULL; f = f->bucket_next) {
		/* Only the hashes are compared: a collision keeps one unrelated response from being stored. */
		if (f == but || f->resource != resource)
			continue;
		pthread_mutex_lock(&f->lock);
		f->invalidated = true;
		pthread_mutex_unlock(&f->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

/* Under the flight's lock. */
static bool may_be_in_groups(const struct flight *f, struct span origin, const char *groups)
{
	if (!span_same(key_origin(f->url), origin))
		return false;
	return f->state == FLIGHT_WAITING || (f->entry != NULL && groups_meet(f->entry->groups, groups));
}

void flight_table_invalidate_groups(
    struct flight_table *t, struct span origin, const char *groups, const struct flight *but)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < FLIGHT_BUCKETS; i++) {
		for (struct flight *f = t->buckets[i].first; f != NULL; f = f->bucket_next) {
			pthread_mutex_lock(&f->lock);
			f->invalidated = f->invalidated || (f != but && may_be_in_groups(f, origin, groups));
			pthread_mutex_unlock(&f->lock);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- unshareable URLs --- */

void flight_table_note_shareable(struct flight_table *t, uint64_t hash, bool shareable)
{
	size_t i = hash % FLIGHT_UNSHAREABLE_SLOTS;
	pthread_mutex_lock(&t->lock);
	if (!shareable) {
		t->unshareable[i].hash = hash;
		t->unshareable[i].until = flight_state_now() + UNSHAREABLE_S;
	} else if (t->unshareable[i].hash == hash) {
		t->unshareable[i].until = 0;
	}
	pthread_mutex_unlock(&t->lock);
}

bool flight_table_is_unshareable(const struct flight_table *t, uint64_t hash)
{
	size_t i = hash % FLIGHT_UNSHAREABLE_SLOTS;
	return t->unshareable[i].hash == hash && t->unshareable[i].until > flight_state_now();
}

/* --- several flights of one URL --- */

/* The next other flight of f's URL that can be joined or waited for, from g on in the bucket. Under the table's lock.
 */
static struct flight *next_of_url(const struct flight *f, struct flight *g)
{
	while (g != NULL && (g == f || !g->shared || g->hash != f->hash || strcmp(g->url, f->url) != 0))
		g = g->bucket_next;
	return g;
}

static struct flight *first_in_bucket(const struct flight *f)
{
	return flight_table_bucket(f->flights, f->resource)->first;
}

/* The flight whose turn came last decides for all flights of the URL, so the largest time counts. Only f's own time is
 * changed: the others' followers see it through the same loop. */
int64_t flight_table_take_turn(struct flight *f)
{
	struct flight_table *t = f->flights;
	int64_t now = clock_ms();
	pthread_mutex_lock(&t->lock);
	int64_t next = f->next_start_ms;
	for (struct flight *g = first_in_bucket(f); (g = next_of_url(f, g)) != NULL; g = g->bucket_next)
		if (g->next_start_ms > next)
			next = g->next_start_ms;
	if (next <= now) {
		f->next_start_ms = now + t->collapse_wait_ms;
		next = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return next;
}

void flight_table_overtake(struct flight *f)
{
	struct flight_table *t = f->flights;
	pthread_mutex_lock(&t->lock);
	for (struct flight *g = first_in_bucket(f); (g = next_of_url(f, g)) != NULL; g = g->bucket_next) {
		pthread_mutex_lock(&g->lock);
		/* Woken at once and not at the end of the batch: g may get no event of its own for long. */
		if (g->state == FLIGHT_WAITING) {
			g->overtakes++;
			pthread_cond_broadcast(&g->changed);
		}
		pthread_mutex_unlock(&g->lock);
	}
	pthread_mutex_unlock(&t->lock);
}

bool flight_table_has_earlier(struct flight *f)
{
	bool earlier = false;
	if (!f->is_second)
		return false;
	pthread_mutex_lock(&f->flights->lock);
	/* The latest flight comes first in a bucket, so those after f are earlier. */
	struct flight *g = f->in_table ? f->bucket_next : NULL;
	for (; !earlier && (g = next_of_url(f, g)) != NULL; g = g->bucket_next) {
		pthread_mutex_lock(&g->lock);
		earlier = !g->invalidated;
		pthread_mutex_unlock(&g->lock);
	}
	pthread_mutex_unlock(&f->flights->lock);
	return earlier;
}

/* --- withdrawals --- */

void flight_table_add_withdrawal(struct flight *f)
{
	struct flight_table *t = f->flights;
	/* Its reference is the withdrawal's (invalidation.c), so the list needs none. */
	pthread_mutex_lock(&t->lock);
	f->next_withdrawal = t->withdrawals;
	t->withdrawals = f;
	atomic_fetch_add(&t->withdrawal_count, 1);
	pthread_mutex_unlock(&t->lock);
}

void flight_table_remove_withdrawal(struct flight *f)
{
	struct flight_table *t = f->flights;
	pthread_mutex_lock(&t->lock);
	struct flight **at = &t->withdrawals;
	while (*at != f)
		at = &(*at)->next_withdrawal;
	*at = f->next_withdrawal;
	atomic_fetch_sub(&t->withdrawal_count, 1);
	pthread_mutex_unlock(&t->lock);
}

int64_t flight_table_withdrawn_row(struct flight_table *t, const char *url)
{
	int64_t id = 0;
	/* Without the lock on the path of every look-up. A withdrawal that begins now is one that this request need not
	 * know of: its response has not been seen by anybody. */
	if (atomic_load(&t->withdrawal_count) == 0)
		return 0;
	pthread_mutex_lock(&t->lock);
	for (const struct flight *f = t->withdrawals; f != NULL && id == 0; f = f->next_withdrawal)
		if (strcmp(f->url, url) == 0)
			id = f->was->id;
	pthread_mutex_unlock(&t->lock);
	return id;
}
