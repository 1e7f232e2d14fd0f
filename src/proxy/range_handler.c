/*
 * Stored parts serve the ranges that lie within them. A range near the bytes at hand is cut from a fetch of the whole
 * body, which other requests share and the store keeps. A range far ahead is fetched alone, and its 206 is stored as a
 * part. selection decides which of these happens.
 */
#include "proxy/range_handler.h"

#include "http/conditions.h"
#include "http/policy_use.h"
#include "http/vary.h"
#include "proxy/browser.h"
#include "proxy/deliver.h"
#include "proxy/forward.h"

#include "base/stats.h"

#include <inttypes.h>
#include <stdio.h>

void range_handler_find(struct exchange *x, struct index_parts *parts)
{
	*parts = (struct index_parts){.whole_bytes = -1};
	if (span_is(x->request->method, "GET"))
		store_find_parts(x->context->store, x->target.url, selection_wants_parts, x->request, parts);
}

bool range_handler_respond(struct exchange *x, const struct index_parts *parts, const struct selection_plan *plan)
{
	char cache[64];
	struct partial_body *pieces = partial_body_of_range(x->context->store, parts, plan->first, plan->last);
	if (pieces == NULL)
		return false;
	snprintf(cache, sizeof cache, "hit; ttl=%" PRId64, plan->use.ttl_s);
	struct representation rep = {.status = 200,
	    .fields = span_of(parts->of->headers),
	    .reused = true,
	    .bytes = parts->whole_bytes,
	    .fd = -1,
	    .pieces = pieces,
	    .age_s = plan->use.age_s,
	    .cache = cache};
	for (size_t i = 0; i < parts->count; i++)
		store_used_part(x->context->store, parts->parts[i].id, x->now);
	x->verdict = "hit";
	stats_add(STATS_HITS, 1);
	deliver_respond(x, &rep);
	partial_body_free(pieces);
	return true;
}

bool range_handler_stream(
    struct exchange *x, struct flight_reader *reader, const struct flight_response *a, const char *cache)
{
	struct head head;
	struct range ranges[RANGE_MAX];
	size_t count = 0;
	char line[96];
	struct span range = message_find(x->request, "Range");
	enum range_verdict verdict = RANGE_IGNORE;
	message_init(&head);
	if (a->status == 200 && a->body_bytes >= 0 && range.at != NULL && message_parse_fields(&head, a->fields) == 0 &&
	    conditions_range_applies(x->request, &head, x->now))
		verdict = range_resolve(range, a->body_bytes, ranges, &count);
	message_fini(&head);
	if (verdict == RANGE_UNSATISFIABLE) {
		struct representation rep = {.status = 200,
		    .fields = a->fields,
		    .reused = a->reused,
		    .bytes = a->body_bytes,
		    .fd = -1,
		    .age_s = a->age_s,
		    .cache = cache};
		deliver_respond(x, &rep);
		return true;
	}
	if (verdict != RANGE_SOME || count != 1)
		return false; /* the whole is always a right answer (RFC 9110 14.2) */
	snprintf(line, sizeof line, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64 "\n", ranges[0].first,
	    ranges[0].last, a->body_bytes);
	struct response_head r = {.status = 206,
	    .fields = a->fields,
	    .reused = a->reused && deliver_withholds_cookies(x, a->status),
	    .extra = span_of(line),
	    .body_bytes = ranges[0].last - ranges[0].first + 1,
	    .age_s = a->age_s,
	    .via = x->context->via,
	    .keeps_tags = x->context->keeps_tags,
	    .close = x->close};
	browser_guard(x, a->fields, &r);
	response_head_say(&r, "%s", cache);
	response_head_key(&r, x->target.url);
	x->status = 206;
	flight_reader_seek(reader, ranges[0].first);
	if (x->sink->begin(x->sink, &r) == 0)
		forward_body(x, reader, true, r.body_bytes);
	return true;
}
