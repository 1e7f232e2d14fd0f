/*
 * Flights are invalidated before rows. A flight that is invalidated too late to notice has queued its row before the
 * invalidation of rows is queued, so the writer removes it again (see put() in flight_store.c).
 */
#include "fetch/invalidation.h"

#include "base/log.h"
#include "fetch/flight_state.h"
#include "fetch/flight_store.h"
#include "fetch/flight_table.h"
#include "fetch/named_sites.h"
#include "http/groups.h"
#include "http/key.h"
#include "http/policy.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* --- after an unsafe method --- */

/* key: the URL as the cache calls it. */
static void invalidate(const struct flight *f, const char *key)
{
	flight_table_invalidate(f->flights, key, f);
	store_invalidate(f->flights->config.store, key);
}

/* The same for a URL in a response field: rules may give it another key. */
static void invalidate_named(const struct flight *f, const char *url)
{
	int64_t rule;
	const struct store_rules *rules = store_rules_take(f->flights->config.store, -1);
	char *key = rules_key(rules->rules, url, &rule);
	invalidate(f, key != NULL ? key : url);
	free(key);
	store_rules_drop(rules);
}

/* The groups that the response names, on its own origin (RFC 9875 3). */
static void invalidate_groups(const struct flight *f, const struct head *response)
{
	struct buf groups;
	struct span origin = key_origin(f->url);
	buf_init(&groups, MESSAGE_TEXT_MAX);
	enum groups_read read = groups_read_list(response, "Cache-Group-Invalidation", &groups);
	if (read == GROUPS_INCOMPLETE)
		log_trouble("groups",
		    "%s: Cache-Group-Invalidation names more than %d groups, or one of more than %d bytes: "
		    "these are not invalidated",
		    f->url, GROUPS_MOST, GROUPS_NAME_BYTES);
	if (read != GROUPS_NONE && groups.len > 0) {
		flight_table_invalidate_groups(f->flights, origin, buf_str(&groups), f);
		store_invalidate_groups(f->flights->config.store, origin, buf_str(&groups));
	}
	buf_fini(&groups);
}

void invalidation_by(const struct flight *f, const struct head *response)
{
	static const char *const names[] = {"Location", "Content-Location"};
	if (!policy_is_unsafe(span_of(f->method)) || response->status < 200 || response->status > 399)
		return;
	invalidate(f, f->url);
	invalidate_groups(f, response);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct span value = message_find(response, names[i]);
		char *url = value.at != NULL ? named_sites_resolve(f->flights->config.sites, f->url, value) : NULL;
		/* An origin may not invalidate what another one has. */
		if (url != NULL && key_same_origin(url, f->url))
			invalidate_named(f, url);
		free(url);
	}
}

/* --- withdrawals --- */

/* On the writer's thread. The fetch may be in progress or long over: the last of the two ends the flight. */
static void withdrawn(struct store_refresh *withdrawal)
{
	struct flight *f = (struct flight *)(void *)((char *)withdrawal - offsetof(struct flight, withdrawal));
	flight_table_remove_withdrawal(f);
	pthread_mutex_lock(&f->lock);
	f->withdrawing = false;
	/* COMPLETE and nothing stored: on_done left the flight to us. Before that, on_done will end it; while it is
	 * stored, the put will. */
	bool last = f->state == FLIGHT_COMPLETE && !f->storing;
	pthread_mutex_unlock(&f->lock);
	if (last)
		flight_store_end(f, false);
	else
		flight_state_drop(f);
}

void invalidation_withdraw(struct flight *f)
{
	pthread_mutex_lock(&f->lock);
	flight_state_hold(f); /* until withdrawn() */
	f->withdrawing = true;
	pthread_mutex_unlock(&f->lock);
	flight_table_add_withdrawal(f); /* before the writer may call withdrawn() */
	f->withdrawal = (struct store_refresh){.was = f->was, .done = withdrawn};
	store_refresh(f->flights->config.store, &f->withdrawal);
}
