/*
 * A redirect takes two steps. Its head sets f->redirect and cancels the fetch; bytes that still arrive are ignored.
 * When the engine reports the end of that fetch, the next one begins, because a flight has one fetch at a time.
 * f->redirect, f->fetch_url and f->hops are the engine's thread's alone.
 */
#include "fetch/flight_redirect.h"

#include "fetch/flight_fetch.h"
#include "fetch/flight_state.h"
#include "fetch/flight_table.h"
#include "fetch/named_sites.h"
#include "http/key.h"

#include <stdlib.h>

enum { HOPS = 8 /* redirects followed in a row; the next one is the response */ };

/* A rule that denies the target holds for it, although another rule allows the URL that redirects to it. */
static bool is_denied(const struct flight *f, const char *url)
{
	int64_t rule;
	struct rule_decision decision;
	const struct store_rules *rules = store_rules_take(f->flights->config.store, -1);
	char *key = rules_key(rules->rules, url, &rule);
	rules_judge(rules->rules, key != NULL ? key : url, 0, &decision);
	free(key);
	store_rules_drop(rules);
	return decision.deny || decision.offline;
}

bool flight_redirect_take(struct flight *f, const struct head *response)
{
	static const int statuses[] = {301, 302, 303, 307, 308};
	bool redirects = false;
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		redirects = redirects || response->status == statuses[i];
	struct span location = message_find(response, "Location");
	if (!redirects || !f->follows || location.at == NULL || f->hops >= HOPS)
		return false;
	f->redirect = named_sites_resolve(f->flights->config.sites, f->fetch_url, location); /* http and https only */
	if (f->redirect == NULL || is_denied(f, f->redirect)) {
		free(f->redirect);
		f->redirect = NULL;
		return false;
	}
	f->hops++;
	pthread_mutex_lock(&f->lock);
	if (f->fetch != NULL)
		engine_cancel(f->fetch); /* nobody wants the body of a redirect */
	pthread_mutex_unlock(&f->lock);
	return true;
}

bool flight_redirect_is_due(const struct flight *f)
{
	return f->redirect != NULL && !f->cancelled && !f->flights->config.engine.offline;
}

/* These fields are meant for the origin of the first request and not sent to another one (RFC 9110 15.4). */
static bool is_credential(struct span line)
{
	return span_starts_nocase(line, "Authorization:") || span_starts_nocase(line, "Cookie:") ||
	       span_starts_nocase(line, "Forwarded:") || span_starts_nocase(line, "X-Forwarded-");
}

bool flight_redirect_follow(struct flight *f)
{
	bool same_origin = key_same_origin(f->url, f->redirect);
	struct span rest = span_of(f->fields), line;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	while (span_next_line(&rest, &line)) {
		if (!same_origin && is_credential(line))
			continue;
		buf_addspan(&fields, line);
		buf_addc(&fields, '\n');
	}
	/* engine_start() copied the old one, so no fetch uses it. */
	free(f->fetch_url);
	f->fetch_url = f->redirect;
	f->redirect = NULL;
	struct flight_fetch_request request = {.fields = buf_span(&fields),
	    .upload_bytes = ENGINE_NO_UPLOAD,
	    /* The user named --origin; another host that it points to must have a public address. */
	    .trusted = f->flights->config.trusted && same_origin};
	bool begun = !fields.failed && flight_fetch_continue(f, &request) == 0;
	buf_fini(&fields);
	return begun;
}
