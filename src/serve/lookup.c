#include "serve/lookup.h"

#include "http/key.h"

void lookup_init(struct lookup *l)
{
	memset(l, 0, sizeof *l);
	message_init(&l->head);
}

void lookup_fini(struct lookup *l)
{
	message_fini(&l->head);
	store_rows_free(&l->rows);
	store_parts_free(&l->parts);
}

bool lookup_matches(const struct entry *e, const struct head *request, bool by_language)
{
	struct head head;
	if (!by_language)
		return key_vary_matches(e->vary, request);
	message_init(&head);
	bool matches = message_parse_fields(&head, span_of(e->headers)) == 0 &&
	    key_vary_matches_language(e->vary, message_find(&head, "Content-Language"), request);
	message_fini(&head);
	return matches;
}

/* The most recent variant that matches; an exact match goes before one by language. */
static void select_variant(struct lookup *l, const struct head *request)
{
	l->asked = l->rows;
	for (size_t i = 0; i < 2 * l->rows.count && l->entry == NULL; i++) {
		struct entry **at = &l->rows.entries[i % l->rows.count];
		if (!lookup_matches(*at, request, i >= l->rows.count))
			continue;
		l->entry = *at;
		l->asked = (struct store_rows){at, 1};
	}
}

void lookup_choose(struct lookup *l, const struct policy *policy, const struct policy_demand *demand, const struct ruling *ruling,
    const struct head *request, int64_t now)
{
	select_variant(l, request);
	if (l->entry == NULL || message_parse_fields(&l->head, span_of(l->entry->headers)) != 0) {
		l->entry = NULL;
		return;
	}
	l->head.status = l->entry->status;
	const struct entry *e = l->entry;
	struct policy_stored stored = {.response = &l->head, .fetched_at = e->fetched_at, .initial_age_s = e->initial_age_s,
	    .fresh_until = e->fresh_until, .stale_until = e->stale_until, .edited = e->edited, .rule_id = e->rule_id, .ruling = ruling};
	policy_judge_use(policy, demand, &stored, now, &l->use);
}
