/*
 * From a head to a verdict, in this order:
 *   1. What the response does to rows that are stored: an unsafe method invalidates them (invalidation.c).
 *   2. A 304, or a 200 to HEAD, may refresh the row that was validated. Then nothing else is stored.
 *   3. The policy judges the response (http/policy_storing). A response that withdraws the page ends the stale use of
 *      the old row.
 *   4. Limits of our own may still forbid to store it: the body of the request, the size, the room in the cache.
 *
 * Everything here runs on the engine's thread while the state is WAITING, so the members of the group HEAD are written
 * without the lock (flight_state.h).
 */
#include "fetch/flight_judge.h"

#include "base/log.h"
#include "fetch/flight_state.h"
#include "fetch/flight_store.h"
#include "fetch/flight_table.h"
#include "fetch/invalidation.h"
#include "fetch/named_sites.h"
#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/field.h"
#include "http/freshening.h"
#include "http/groups.h"
#include "http/key.h"
#include "http/policy_storing.h"
#include "http/range.h"
#include "http/stored_fields.h"
#include "http/vary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the row --- */

static char *copy_field(const struct head *h, const char *name)
{
	struct span v = message_find(h, name);
	return v.at != NULL ? strndup(v.at, v.len) : NULL;
}

/* 0, or -1: no memory. */
static int read_groups(struct entry *e, const struct head *fields)
{
	free(e->groups);
	enum groups_read read = groups_copy(fields, &e->groups);
	if (read == GROUPS_INCOMPLETE)
		log_trouble("groups",
		    "%s: names more than %d groups, or one that is not ASCII or longer than %d bytes: a purge of any "
		    "group of its site removes it",
		    e->url, GROUPS_MOST, GROUPS_NAME_BYTES);
	return read == GROUPS_NO_MEMORY ? -1 : 0;
}

/* Fills the columns that come from the response fields and the verdict. 0, or -1: no memory. */
static int fill_entry(struct entry *e, const struct flight *f, const struct head *fields, int64_t now)
{
	const struct policy_storing *v = &f->verdict;
	struct buf kept;
	buf_init(&kept, BUF_HEAD);
	if (stored_fields_kept(&f->flights->config.policy, &f->decision, fields, &kept) != 0) {
		buf_fini(&kept);
		return -1;
	}
	free(e->headers);
	free(e->etag);
	free(e->last_modified);
	free(e->reason);
	e->headers = strdup(buf_str(&kept));
	buf_fini(&kept);
	if (read_groups(e, fields) != 0)
		return -1;
	e->etag = copy_field(fields, "ETag");
	e->last_modified = copy_field(fields, "Last-Modified");
	e->reason = strdup(v->reason);
	e->rule_id = v->rule_id;
	e->fetched_at = now;
	e->initial_age_s = v->initial_age_s;
	e->fresh_until = now + v->fresh_for_s;
	e->stale_until = (v->fresh_for_s > 0 ? e->fresh_until : now) + v->stale_for_s;
	return e->headers != NULL && e->reason != NULL ? 0 : -1;
}

/* The request carried the validators of several variants. The tag of the 304 selects one (RFC 9111 4.3.3). Weak
 * comparison is enough: the stored bytes are used, not combined with others. */
static void select_variant(struct flight *f, const struct head *response)
{
	struct span tag = message_find(response, "ETag");
	for (size_t i = 0; i < f->variants.count && f->selected == NULL; i++) {
		struct entry *e = f->variants.entries[i];
		if (e->etag == NULL || !field_tags_match_weak(tag, span_of(e->etag)))
			continue;
		f->selected = e;
		f->variants.entries[i] = f->variants.entries[--f->variants.count];
	}
}

/* A response that now varies on other fields cannot be the same row (RFC 9111 4.1). */
static bool selects_alike(const struct head *request, const struct head *stored, const struct head *updated)
{
	struct buf before, after;
	buf_init(&before, BUF_VARY);
	buf_init(&after, BUF_VARY);
	bool alike = vary_text(stored, request, &before) == 0 && vary_text(updated, request, &after) == 0 &&
		     strcmp(buf_str(&before), buf_str(&after)) == 0;
	buf_fini(&before);
	buf_fini(&after);
	return alike;
}

/* True when the response may not be stored, whatever the request says. A no-store in one request forbids only to store
 * that response, and leaves the stored one alone (RFC 9111 5.2.1.5). */
static bool is_forbidden_to_all(const struct flight *f, const struct head *response, int64_t now)
{
	struct policy_storing verdict;
	struct head plain = {.method = span_of("GET")};
	struct policy_exchange x = {
	    .request = &plain, .response = response, .asked_at = now, .answered_at = now, .decision = &f->decision};
	policy_storing_judge(&f->flights->config.policy, &x, &verdict);
	return !verdict.store;
}

/* A 304 about the row that was validated, or a 200 to HEAD that agrees with it. The stored fields are updated (RFC
 * 9111 4.3.4, 4.3.5), and the result is judged again as a response to GET, because that is what is stored. f->refreshed
 * stays false when the response does not fit the row. */
static void refresh_row(struct flight *f, const struct head *response, int64_t now)
{
	struct head stored, updated, changed, as_get = f->request; /* as_get owns nothing */
	struct buf text;
	as_get.method = span_of("GET");
	message_init(&changed);
	message_init(&stored);
	message_init(&updated);
	buf_init(&text, BUF_HEAD);
	const struct entry *base = flight_state_validated_row(f);
	struct entry *e = entry_copy(base);
	bool fits = e != NULL && message_parse_fields(&stored, span_of(base->headers)) == 0 &&
		    /* f->head is the response, with a Date of ours if it had none (RFC 9110 6.6.1). */
		    message_parse_fields(&changed, buf_span(&f->head)) == 0 &&
		    (response->status == 304 ? freshening_applies(response, &stored)
					     : freshening_head_applies(response, &stored, base->body_bytes));
	bool cookies = policy_keeps_cookies(&f->flights->config.policy, &f->decision);
	if (!fits || stored_fields_update(&stored, &changed, cookies, &text) != 0 ||
	    message_parse_fields(&updated, buf_span(&text)) != 0 || !selects_alike(&as_get, &stored, &updated)) {
		entry_free(e);
		goto out;
	}
	updated.status = base->status;
	struct policy_exchange x = {.request = &as_get,
	    .response = &updated,
	    .asked_at = flight_state_requested_at(f, now),
	    .answered_at = now,
	    .freshened_by = response,
	    .decision = &f->decision};
	policy_storing_judge(&f->flights->config.policy, &x, &f->verdict);
	if (fill_entry(e, f, &updated, now) != 0) {
		entry_free(e);
		goto out;
	}
	if (!groups_are_named(&changed)) { /* they stay as they are in the index */
		free(e->groups);
		e->groups = NULL;
	}
	f->entry = e;
	f->refreshed = true;
	f->shareable = f->verdict.store && !f->verdict.reusable_only_validated;
	f->refreshing = f->verdict.store;
	if (!f->verdict.store && is_forbidden_to_all(f, &updated, now))
		store_invalidate(f->flights->config.store, f->url);
out:
	message_fini(&changed);
	buf_fini(&text);
	message_fini(&updated);
	message_fini(&stored);
}

/* A HEAD has shown that a GET would bring another response now: the stored one is stale from here on (RFC 9111 4.3.5).
 */
static void make_row_stale(struct flight *f, int64_t now)
{
	f->entry = entry_copy(f->was);
	if (f->entry == NULL)
		return;
	if (f->entry->fresh_until > now)
		f->entry->fresh_until = now;
	f->refreshing = true;
}

static struct entry *make_entry(const struct flight *f, const struct head *response, int64_t now)
{
	struct buf vary;
	struct entry *e = entry_new();
	buf_init(&vary, BUF_VARY);
	if (e == NULL)
		return NULL;
	e->status = response->status;
	e->url = strdup(f->url);
	e->tag = f->decision.tag != NULL ? strdup(f->decision.tag) : NULL;
	free(e->vary);
	e->vary = NULL;
	if (e->url == NULL || vary_text(response, &f->request, &vary) != 0 || (e->vary = buf_take(&vary)) == NULL ||
	    fill_entry(e, f, response, now) != 0) {
		entry_free(e);
		e = NULL;
	}
	buf_fini(&vary);
	return e;
}

/* A response to POST is stored for GET only if its Content-Location says that it is what a GET would bring (RFC
 * 9110 9.3.3). */
static bool represents_target(const struct flight *f, const struct head *response)
{
	struct span value = message_find(response, "Content-Location");
	char *url = strcmp(f->method, "POST") == 0 && value.at != NULL
			? named_sites_resolve(f->flights->config.sites, f->url, value)
			: NULL;
	bool same = url != NULL && strcmp(url, f->url) == 0;
	free(url);
	return same;
}

/* --- parts --- */

/* A 206 to the client's own Range. If it is a single range with a valid Content-Range, it may be stored as a part (RFC
 * 9111 3.3). */
static bool is_storable_part(struct flight *f, const struct head *response)
{
	struct range range;
	int64_t whole;
	if (response->status != 206 || strcmp(f->method, "GET") != 0 ||
	    range_of_response(response, &range, &whole) != 0)
		return false;
	f->place = (struct part_place){.first_byte = range.first, .whole_bytes = whole};
	f->part_bytes = range.last + 1 - range.first;
	return true;
}

/* What is left of this body after a break may be combined with other parts by this validator. */
static void note_how_combined(struct flight *f, const struct head *fields)
{
	bool is_tag;
	struct span validator = conditions_strong_validator(fields, flight_state_now(), &is_tag);
	int64_t whole = f->is_part ? f->place.whole_bytes : f->body_bytes;
	bool measured = whole >= 0 || !content_coding_is_present(fields); /* as in flight_range_note_validator() */
	f->place.joined = validator.len == 0 || !measured ? PART_ALONE : is_tag ? PART_BY_ETAG : PART_BY_MODIFIED;
}

/* The row of a part has columns for its place. 0, or -1: no memory. */
static int remove_content_range(struct entry *e)
{
	struct buf kept;
	struct span rest = span_of(e->headers), line;
	buf_init(&kept, BUF_HEAD);
	while (span_next_line(&rest, &line)) {
		if (span_starts_nocase(line, "Content-Range:"))
			continue;
		buf_addspan(&kept, line);
		buf_addc(&kept, '\n');
	}
	free(e->headers);
	e->headers = strdup(buf_str(&kept));
	buf_fini(&kept);
	return e->headers != NULL ? 0 : -1;
}

/* --- the verdict --- */

static void forbid(struct flight *f, const char *reason)
{
	f->verdict.store = false;
	snprintf(f->verdict.reason, sizeof f->verdict.reason, "%s", reason);
}

/* What the policy cannot know, because it sees only heads. */
static void apply_limits(struct flight *f, bool represents_target)
{
	int64_t max = f->flights->max_body;
	if (f->verdict.store && f->has_body && !represents_target)
		forbid(f, "the request had a body, which is not part of the cache key");
	if (f->verdict.store && max > 0 && f->body_bytes > max)
		forbid(f, f->flights->too_large);
}

/* The row to be; NULL when there will be none. */
static struct entry *entry_to_store(struct flight *f, int status, int64_t now)
{
	struct head kept;
	struct entry *e = NULL;
	message_init(&kept);
	if (f->verdict.store && message_parse_fields(&kept, buf_span(&f->head)) == 0) {
		kept.status = status;
		e = make_entry(f, &kept, now);
		note_how_combined(f, &kept);
		if (e != NULL && f->is_part && remove_content_range(e) != 0) {
			entry_free(e);
			e = NULL;
		}
	}
	message_fini(&kept);
	return e;
}

static void judge_storing(struct flight *f, const struct head *response, const struct head *received, int64_t now)
{
	const struct policy *policy = &f->flights->config.policy;
	struct policy_exchange x = {.request = &f->request,
	    .response = response,
	    .asked_at = flight_state_requested_at(f, now),
	    .answered_at = now,
	    .freshened_by = received != response ? received : NULL,
	    .decision = &f->decision,
	    .represents_target = represents_target(f, response)};
	x.part = f->is_part = is_storable_part(f, response);
	policy_storing_judge(policy, &x, &f->verdict);
	if (f->was != NULL && !f->has_body && policy_storing_withdraws(policy, &x, &f->verdict))
		invalidation_withdraw(f);
	apply_limits(f, x.represents_target);
	struct entry *e = entry_to_store(f, response->status, now);
	if (f->verdict.store)
		f->entry = e;
	const char *no_room = f->verdict.store && f->entry != NULL ? flight_store_reserve(f) : NULL;
	if (no_room != NULL)
		forbid(f, no_room);
	f->storing = f->verdict.store && f->entry != NULL;
	f->shareable = f->storing && !f->is_part && !f->verdict.reusable_only_validated && f->verdict.fresh_for_s > 0;
	if (!f->storing)
		flight_store_refuse(f, f->verdict.reason);
}

/* Rules that are for some statuses count from here on, and those for others no longer. */
static void decide_by_status(struct flight *f, int status)
{
	struct rule_decision decided;
	if (f->decision.by_status == NULL)
		return;
	rules_for_status(&f->decision, f->url, status, &decided);
	free((char *)f->decision.tag);
	f->decision = decided;
	f->decision.tag = decided.tag != NULL ? strdup(decided.tag) : NULL;
}

void flight_judge_response(struct flight *f, const struct head *response, const struct head *received)
{
	int64_t now = flight_state_now();
	bool head = strcmp(f->method, "HEAD") == 0;
	f->head_at = now;
	f->has_age = message_has(received, "Age");
	invalidation_by(f, response);
	if (stored_fields_make(response, now, &f->head) != 0)
		log_trouble("head", "%s: the response head is too large to keep, so it is sent without fields", f->url);
	if (response->status == 304)
		select_variant(f, response);
	bool validates = (response->status == 304 && f->conditional) || (response->status == 200 && head);
	const struct entry *row = validates ? flight_state_validated_row(f) : NULL;
	decide_by_status(f, row != NULL ? row->status : response->status);
	if (row != NULL) {
		refresh_row(f, response, now);
		if (f->refreshed)
			return;
	}
	if (f->was != NULL && head && response->status != 304 && response->status < 500)
		make_row_stale(f, now);
	judge_storing(f, response, received, now);
}
