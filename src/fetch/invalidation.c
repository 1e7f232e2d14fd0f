/*
 * What a response says of rows that are stored: the success of an unsafe method invalidates them (RFC 9111 4.4), and what withdraws a page
 * ends the stale use of its row (policy_withdraws).
 */
#include "fetch/flight_internal.h"

#include "http/key.h"

#include <stddef.h>
#include <stdlib.h>

/* key: as the cache calls it. */
static void forget(const struct flight *f, const char *key)
{
	flights_forget(f->flights, key, f);
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

/* A success of an unsafe method changes the target, and what its answer names on the same origin (RFC 9111 4.4). It holds from
 * the return of store_invalidate() on: who has seen the success does not get the old answer. */
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

static void withdrawn(struct store_refresh *withdrawal)
{
	struct flight *f = (struct flight *)(void *)((char *)withdrawal - offsetof(struct flight, withdrawal));
	pthread_mutex_lock(&f->lock);
	f->withdrawing = false;
	bool last = f->state == FLIGHT_LANDED && !f->storing;
	pthread_mutex_unlock(&f->lock);
	if (last)
		landing_over(f, false);
	else
		flight_drop(f);
}

void invalidation_withdraw(struct flight *f)
{
	pthread_mutex_lock(&f->lock);
	flight_hold(f);
	f->withdrawing = true;
	pthread_mutex_unlock(&f->lock);
	f->withdrawal = (struct store_refresh){.was = f->was, .done = withdrawn};
	store_refresh(f->flights->config.store, &f->withdrawal);
}
