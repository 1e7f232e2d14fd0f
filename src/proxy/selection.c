/*
 * The decision in its order: rules that deny; requests that only the origin can respond to; a stored response; stored
 * parts; only-if-cached; offline; and else how to fetch. Each step is one function that says whether it decided.
 */
#include "proxy/selection.h"

#include "http/conditions.h"
#include "http/vary.h"

#include <inttypes.h>
#include <stdio.h>

enum { NEAR_BYTES = 1 << 20 }; /* a range that begins this close after the bytes at hand is waited for */

void selection_init(struct selection *s)
{
	memset(s, 0, sizeof *s);
	message_init(&s->head);
}

void selection_fini(struct selection *s)
{
	message_fini(&s->head);
	index_rows_free(&s->rows);
	index_parts_free(&s->parts);
}

/* --- which variant --- */

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

/* No variant matches. The rows whose coding the request accepts move to the front, and their validators may be sent
 * (RFC 9111 4.3.1). A tag of another row must not be: if the origin confirmed it, its body would be served in a coding
 * that the request does not accept. */
static struct index_rows rows_to_validate(struct index_rows *rows, const struct head *request)
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

/* The most recent variant that matches (RFC 9111 4.1). Rows with Vary are tried first, then rows without it, then rows
 * that are as good. */
static struct entry **find_variant(struct index_rows *rows, const struct head *request)
{
	enum { WITH_VARY, WITHOUT_VARY, AS_GOOD, ROUNDS };
	for (int round = WITH_VARY; round < ROUNDS; round++) {
		for (size_t i = 0; i < rows->count; i++) {
			const struct entry *e = rows->entries[i];
			bool plain = e->vary[0] == '\0';
			if (round != AS_GOOD && plain != (round == WITHOUT_VARY))
				continue;
			if (selection_matches(e, request, round == AS_GOOD ? SELECTION_AS_GOOD : SELECTION_EXACTLY))
				return &rows->entries[i];
		}
	}
	return NULL;
}

void selection_choose(struct selection *s, const struct head *request)
{
	struct entry **found = find_variant(&s->rows, request);
	if (found == NULL) {
		s->validators = rows_to_validate(&s->rows, request);
		return;
	}
	s->validators = (struct index_rows){found, 1};
	if (message_parse_fields(&s->head, span_of((*found)->headers)) != 0)
		return;
	s->entry = *found;
	s->head.status = s->entry->status;
}

/* --- what does not depend on what is stored --- */

bool selection_is_conditional(const struct head *request)
{
	return message_has(request, "If-None-Match") || message_has(request, "If-Modified-Since");
}

static bool is_offline(const struct selection_request *ask)
{
	return ask->offline || ask->rules->offline;
}

static void set_reason(struct selection_plan *plan, const char *reason)
{
	snprintf(plan->reason, sizeof plan->reason, "%s", reason);
}

/* rules->offline_rule may also be a rule that says offline=0, so it counts only with rules->offline. */
static int64_t offline_rule(const struct selection_request *ask)
{
	return ask->rules->offline ? ask->rules->offline_rule : 0;
}

/* Why only the origin can respond; NULL: a cache can. */
static const char *why_pass(const struct selection_request *ask)
{
	if (!span_is(ask->head->method, "GET") && !span_is(ask->head->method, "HEAD"))
		return "only responses to GET and HEAD come from a cache, RFC 9111 2";
	if (ask->has_content)
		return "the request has content, RFC 9110 9.3.1";
	if (message_has(ask->head, "If-Match") || message_has(ask->head, "If-Unmodified-Since"))
		return "If-Match and If-Unmodified-Since are the origin's to answer, RFC 9110 13.1.1";
	return NULL;
}

bool selection_decide_unstored(const struct selection_request *ask, struct selection_plan *plan)
{
	memset(plan, 0, sizeof *plan);
	plan->fwd = "";
	if (ask->rules->deny) {
		plan->action = SELECTION_DENY;
		plan->rule_id = ask->rules->deny_rule;
		snprintf(plan->reason, sizeof plan->reason, "denied by rule %" PRId64, plan->rule_id);
		return true;
	}
	const char *pass = why_pass(ask);
	if (pass == NULL)
		return false;
	set_reason(plan, pass);
	plan->action = is_offline(ask) ? SELECTION_OFFLINE : SELECTION_PASS;
	if (plan->action == SELECTION_OFFLINE)
		plan->rule_id = offline_rule(ask);
	else
		plan->fwd =
		    span_is(ask->head->method, "GET") || span_is(ask->head->method, "HEAD") ? "bypass" : "method";
	return true;
}

/* --- what is stored --- */

/* What the rules decide for a stored response. */
static const struct rule_decision *decision_for(
    const struct selection_request *ask, const struct entry *e, struct rule_decision *room)
{
	return rules_for_status(ask->rules, e->url, e->status, room);
}

static void judge(const struct selection_request *ask, const struct entry *e, const struct head *response, int64_t now,
    struct policy_use *use)
{
	struct rule_decision room;
	struct policy_stored stored = {.response = response,
	    .fetched_at = e->fetched_at,
	    .initial_age_s = e->initial_age_s,
	    .fresh_until = e->fresh_until,
	    .stale_until = e->stale_until,
	    .edited = e->edited,
	    .rule_id = e->rule_id,
	    .decision = decision_for(ask, e, &room)};
	policy_use_judge(ask->policy, ask->directives, &stored, now, use);
}

void selection_judge_again(
    const struct selection *s, const struct selection_request *ask, int64_t now, struct selection_plan *plan)
{
	if (s->entry != NULL)
		judge(ask, s->entry, &s->head, now, &plan->use);
}

static bool decide_stored(const struct selection_request *ask, struct selection_plan *plan)
{
	if (plan->entry == NULL)
		return false;
	switch (plan->use.verdict) {
	case POLICY_HIT:
		plan->action = SELECTION_HIT;
		break;
	case POLICY_STALE:
		plan->action = SELECTION_STALE;
		break;
	case POLICY_REFRESH:
		plan->action = is_offline(ask) ? SELECTION_STALE : SELECTION_STALE_AND_REFRESH;
		break;
	case POLICY_REVALIDATE:
	case POLICY_MISS:
		return false;
	}
	plan->rule_id = plan->use.rule_id;
	set_reason(plan, plan->use.reason);
	return true;
}

/* The bytes of a body that the request asks for, as one span. False: none, several spans, or not all are stored. */
static bool find_span(const struct index_parts *parts, const struct head *response, const struct head *request,
    int64_t now, int64_t *first, int64_t *last)
{
	struct range ranges[RANGE_MAX];
	size_t count;
	struct span range = message_find(request, "Range");
	*first = 0;
	*last = parts->whole_bytes - 1;
	if (range.at != NULL && conditions_range_applies(request, response, now)) {
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

/* Stored parts are served only while they are fresh, and only for GET. */
static bool decide_parts(
    const struct selection *s, const struct selection_request *ask, int64_t now, struct selection_plan *plan)
{
	const struct index_parts *parts = &s->parts;
	struct policy_use use;
	struct head response;
	if (s->entry != NULL || s->lost_parts || parts->of == NULL || parts->whole_bytes <= 0)
		return false;
	message_init(&response);
	bool covered = message_parse_fields(&response, span_of(parts->of->headers)) == 0;
	if (covered) {
		/* A part has the fields and times of its whole, but no row that a user could have edited. */
		struct entry of = {.url = parts->of->url,
		    .status = 200,
		    .fetched_at = parts->of->fetched_at,
		    .initial_age_s = parts->of->initial_age_s,
		    .fresh_until = parts->of->fresh_until};
		response.status = 200;
		judge(ask, &of, &response, now, &use);
		covered =
		    use.verdict == POLICY_HIT && find_span(parts, &response, ask->head, now, &plan->first, &plan->last);
	}
	message_fini(&response);
	if (!covered)
		return false;
	plan->action = SELECTION_PARTS;
	plan->use = use;
	plan->rule_id = use.rule_id;
	set_reason(plan, use.reason);
	return true;
}

/* --- nothing stored will do --- */

/* Why not, for people and for Cache-Status. A fresh entry that lost its body has no forward reason of its own. */
static void explain_absence(const struct selection *s, const struct selection_request *ask, struct selection_plan *plan)
{
	if (s->entry != NULL && plan->use.fwd[0] != '\0')
		plan->fwd = plan->use.fwd;
	else if (s->parts.of != NULL)
		plan->fwd = "partial";
	else
		plan->fwd = s->rows.count > 0 ? "vary-miss" : "uri-miss";
	if (s->lost_body)
		set_reason(plan, "its body file is missing or of another size, and the row goes");
	else if (s->entry != NULL)
		set_reason(plan, plan->use.reason);
	else if (s->rows.count > 0)
		set_reason(plan, "no variant is for this request");
	else if (s->parts.of != NULL)
		set_reason(plan, "only parts of it are stored");
	else
		set_reason(plan, "nothing is stored");
	if (plan->entry != NULL) {
		struct rule_decision room;
		const struct rule_decision *d = decision_for(ask, plan->entry, &room);
		plan->rule_id = d->store == 0 ? d->store_rule : plan->use.rule_id;
	}
}

static bool decide_without_network(const struct selection_request *ask, struct selection_plan *plan)
{
	if (ask->directives->only_if_cached) {
		plan->action = SELECTION_ONLY_IF_CACHED;
	} else if (is_offline(ask)) {
		bool stale = plan->entry != NULL && plan->use.stale_if_unreachable;
		plan->action = stale ? SELECTION_OFFLINE_STALE : SELECTION_OFFLINE;
		plan->rule_id = offline_rule(ask);
	} else {
		return false;
	}
	return true;
}

/* Is anything stored that the origin may confirm? */
static bool can_validate(
    const struct selection *s, const struct selection_request *ask, const struct selection_plan *plan)
{
	if (ask->unconditional || s->lost_body)
		return false;
	if (plan->entry != NULL)
		return plan->use.verdict != POLICY_MISS &&
		       (plan->entry->etag != NULL || plan->entry->last_modified != NULL);
	for (size_t i = 0; i < s->validators.count; i++)
		if (s->validators.entries[i]->etag != NULL)
			return true;
	return false;
}

/* Is the whole body worth fetching for the range that is asked for? Not if the range lies far ahead of what has been
 * received, or if its position is not known. */
static bool wants_whole(const struct selection_request *ask)
{
	struct range ranges[RANGE_MAX];
	size_t count;
	struct span range = message_find(ask->head, "Range");
	int64_t first = range_first(range);
	if (first < 0 && ask->body_bytes >= 0 && range_resolve(range, ask->body_bytes, ranges, &count) == RANGE_SOME &&
	    count == 1)
		first = ranges[0].first;
	return first >= 0 && first - ask->received <= NEAR_BYTES && !ask->passes;
}

static void decide_fetch(const struct selection *s, const struct selection_request *ask, struct selection_plan *plan)
{
	bool get = span_is(ask->head->method, "GET");
	bool shared = get && !ask->alone && !ask->directives->no_cache && !ask->directives->no_store;
	if (can_validate(s, ask, plan)) {
		plan->action = SELECTION_VALIDATE;
		plan->shared = shared;
	} else if (!get || (ask->passes && s->entry == NULL && selection_is_conditional(ask->head))) {
		plan->action = SELECTION_PASS;
	} else if (message_has(ask->head, "Range") && (ask->alone || !wants_whole(ask))) {
		plan->action = SELECTION_FETCH_RANGE;
	} else {
		plan->action = SELECTION_FETCH;
		plan->shared = shared;
	}
}

void selection_decide(
    const struct selection *s, const struct selection_request *ask, int64_t now, struct selection_plan *plan)
{
	bool decided = selection_decide_unstored(ask, plan);
	plan->entry = s->lost_body ? NULL : s->entry;
	selection_judge_again(s, ask, now, plan);
	if (decided || decide_stored(ask, plan) || decide_parts(s, ask, now, plan))
		return;
	explain_absence(s, ask, plan);
	if (!decide_without_network(ask, plan))
		decide_fetch(s, ask, plan);
}

bool selection_wants_parts(const void *request, const char *vary)
{
	return vary_matches(vary, request);
}
