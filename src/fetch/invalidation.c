/*
 * What a response says of rows that are stored: the success of an unsafe method invalidates them (RFC 9111 4.4), and
 * what withdraws a page ends the stale use of its row (policy_storing_withdraws). Until that is committed the table
 * knows of it, for look-ups that come before.
 */
#include "fetch/flight_internal.h"

#include "http/key.h"
#include "http/policy.h"

#include <stddef.h>
#include <stdlib.h>

/* key: as the cache calls it. */
static void forget(const struct flight *f, const char *key)
{
	flight_table_forget(f->flights, key, f);
	store_invalidate(f->flights->config.store, key);
}

/* A URL that an answer names is known by the key that rules make of it. */
static void forget_named(const struct flight *f, const char *url)
{
	int64_t rule;
	const struct store_rules *rules = store_rules_take(f->flights->config.store);
	char *key = rules_key(rules->rules, url, &rule);
	forget(f, key != NULL ? key : url);
	free(key);
	store_rules_drop(rules);
}

/* A success of an unsafe method changes the target, and what its answer names on the same origin (RFC 9111 4.4). It
 * holds from the return of store_invalidate() on: who has seen the success does not get the old answer. */
void invalidation_by(const struct flight *f, const struct head *response)
{
	static const char *const names[] = {"Location", "Content-Location"};
	if (!policy_is_unsafe(span_of(f->method)) || response->status < 200 || response->status > 399)
		return;
	forget(f, f->url);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct span value = message_find(response, names[i]);
		char *url = value.at != NULL ? key_resolve(f->url, value) : NULL;
		if (url != NULL && key_same_origin(url, f->url))
			forget_named(f, url);
		free(url);
	}
}

/* --- withdrawals --- */

static void list_add(struct flight_table *t, struct flight *f)
{
	pthread_mutex_lock(&t->lock);
	f->withdrawal_next = t->withdrawals;
	t->withdrawals = f;
	atomic_fetch_add(&t->withdrawing, 1);
	pthread_mutex_unlock(&t->lock);
}

static void list_remove(struct flight_table *t, struct flight *f)
{
	pthread_mutex_lock(&t->lock);
	struct flight **at = &t->withdrawals;
	while (*at != f)
		at = &(*at)->withdrawal_next;
	*at = f->withdrawal_next;
	atomic_fetch_sub(&t->withdrawing, 1);
	pthread_mutex_unlock(&t->lock);
}

int64_t flight_table_withdrawing(struct flight_table *t, const char *url)
{
	int64_t id = 0;
	if (atomic_load(&t->withdrawing) == 0)
		return 0;
	pthread_mutex_lock(&t->lock);
	for (const struct flight *f = t->withdrawals; f != NULL && id == 0; f = f->withdrawal_next)
		if (strcmp(f->url, url) == 0)
			id = f->was->id;
	pthread_mutex_unlock(&t->lock);
	return id;
}

static void withdrawn(struct store_refresh *withdrawal)
{
	struct flight *f = (struct flight *)(void *)((char *)withdrawal - offsetof(struct flight, withdrawal));
	list_remove(f->flights, f);
	pthread_mutex_lock(&f->lock);
	f->withdrawing = false;
	bool last = f->state == FLIGHT_LANDED && !f->storing;
	pthread_mutex_unlock(&f->lock);
	if (last)
		flight_store_over(f, false);
	else
		flight_drop(f);
}

void invalidation_withdraw(struct flight *f)
{
	pthread_mutex_lock(&f->lock);
	flight_hold(f);
	f->withdrawing = true;
	pthread_mutex_unlock(&f->lock);
	list_add(f->flights, f);
	f->withdrawal = (struct store_refresh){.was = f->was, .done = withdrawn};
	store_refresh(f->flights->config.store, &f->withdrawal);
}
