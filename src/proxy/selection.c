#include "proxy/selection.h"

#include "http/conditions.h"
#include "http/key.h"
#include "http/policy_use.h"
#include "http/vary.h"

void selection_init(struct selection *l)
{
	memset(l, 0, sizeof *l);
	message_init(&l->head);
}

void selection_fini(struct selection *l)
{
	message_fini(&l->head);
	index_rows_free(&l->rows);
	index_parts_free(&l->parts);
}

bool selection_matches(const struct entry *e, const struct head *request, enum selection_way way)
{
	struct head head;
	if (way == SELECTION_EXACTLY)
		return vary_matches(e->vary, request);
	message_init(&head);
	bool matches = message_parse_fields(&head, span_of(e->headers)) == 0 &&
		       (way == SELECTION_AS_GOOD ? vary_suits : vary_coding_suits)(e->vary, &head, request);
	message_fini(&head);
	return matches;
}

/* No variant matches: those whose coding the request can have come first, and their validators may go along (RFC
 * 9111 4.3.1). What the origin confirms of another's tag would be sent in a coding that nobody asked for. */
static struct index_rows rows_to_ask(struct index_rows *rows, const struct head *request)
{
	size_t n = 0;
	for (size_t i = 0; i < rows->count; i++) {
		struct entry *e = rows->entries[i];
		if (!selection_matches(e, request, SELECTION_CODING))
			continue;
		rows->entries[i] = rows->entries[n];
		rows->entries[n++] = e;
	}
	return (struct index_rows){rows->entries, n};
}

/* The most recent variant that matches (RFC 9111 4.1): of those that say Vary, then of those that do not, then one as
 * good. */
static void filter_variant(struct selection *l, const struct head *request)
{
	for (size_t i = 0; i < 3 * l->rows.count && l->entry == NULL; i++) {
		struct entry **at = &l->rows.entries[i % l->rows.count];
		size_t turn = i / l->rows.count;
		if ((turn < 2 && ((*at)->vary[0] == '\0') != (turn == 1)) ||
		    !selection_matches(*at, request, turn == 2 ? SELECTION_AS_GOOD : SELECTION_EXACTLY))
			continue;
		l->entry = *at;
		l->asked = (struct index_rows){at, 1};
	}
	if (l->entry == NULL)
		l->asked = rows_to_ask(&l->rows, request);
}

void selection_choose(struct selection *l, const struct policy *policy, const struct request_directives *demand,
    const struct rule_decision *decision, const struct head *request, int64_t now)
{
	filter_variant(l, request);
	if (l->entry == NULL || message_parse_fields(&l->head, span_of(l->entry->headers)) != 0) {
		l->entry = NULL;
		return;
	}
	l->head.status = l->entry->status;
	selection_judge(l, policy, demand, decision, now);
}

void selection_judge(struct selection *l, const struct policy *policy, const struct request_directives *demand,
    const struct rule_decision *decision, int64_t now)
{
	const struct entry *e = l->entry;
	if (e == NULL)
		return;
	struct policy_stored stored = {.response = &l->head,
	    .fetched_at = e->fetched_at,
	    .initial_age_s = e->initial_age_s,
	    .fresh_until = e->fresh_until,
	    .stale_until = e->stale_until,
	    .edited = e->edited,
	    .rule_id = e->rule_id,
	    .decision = decision};
	policy_use_judge(policy, demand, &stored, now, &l->use);
}

bool selection_is_for_origin(const struct head *request)
{
	return message_has(request, "If-Match") || message_has(request, "If-Unmodified-Since");
}

/* The bytes a request wants of a body, as one span; false when they are none, several spans, or not all here. */
static bool find_span(const struct index_parts *parts, const struct head *head, const struct head *request, int64_t now,
    int64_t *first, int64_t *last)
{
	struct range ranges[RANGE_MAX];
	size_t count;
	struct span range = message_find(request, "Range");
	*first = 0;
	*last = parts->whole_bytes - 1;
	if (range.at != NULL && conditions_range_applies(request, head, now)) {
		enum range_verdict verdict = range_resolve(range, parts->whole_bytes, ranges, &count);
		if (verdict == RANGE_UNSATISFIABLE || (verdict == RANGE_SOME && count > 1))
			return false;
		if (verdict == RANGE_SOME) {
			*first = ranges[0].first;
			*last = ranges[0].last;
		}
	}
	return index_parts_cover(parts, *first) > *last - *first;
}

bool selection_covered(const struct index_parts *parts, const struct policy *policy,
    const struct request_directives *demand, const struct rule_decision *decision, const struct head *request,
    int64_t now, struct policy_use *use, int64_t *first, int64_t *last)
{
	struct head head;
	if (parts->of == NULL || parts->whole_bytes <= 0)
		return false;
	message_init(&head);
	bool covered = message_parse_fields(&head, span_of(parts->of->headers)) == 0;
	if (covered) {
		head.status = 200;
		struct policy_stored stored = {.response = &head,
		    .fetched_at = parts->of->fetched_at,
		    .initial_age_s = parts->of->initial_age_s,
		    .fresh_until = parts->of->fresh_until,
		    .decision = decision};
		policy_use_judge(policy, demand, &stored, now, use);
		covered = use->verdict == POLICY_HIT && find_span(parts, &head, request, now, first, last);
	}
	message_fini(&head);
	return covered;
}
