#include "proxy/stored_response.h"

#include "base/stats.h"
#include "proxy/compressed.h"
#include "proxy/deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int stored_response_send(
    struct exchange *x, const struct entry *e, int64_t age_s, const char *cache, struct span cookies)
{
	int fd = -1;
	bool in_vary, suits = compressed_suits(x->context, e->status, span_of(e->headers), e->body_bytes, &in_vary);
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	const struct entry *copy = suits ? compressed_choose(x, e, &fields) : NULL;
	if (copy != NULL && (fd = store_open_body(x->context->store, copy)) < 0)
		copy = NULL;
	if (copy == NULL && e->body_file != NULL && (fd = store_open_body(x->context->store, e)) < 0) {
		buf_fini(&fields);
		return -1;
	}
	struct representation rep = {
	    .status = e->status,
	    .fields = copy != NULL ? buf_span(&fields) : span_of(e->headers),
	    .reused = true,
	    .cookies = cookies,
	    .bytes = copy != NULL ? copy->body_bytes : e->body_bytes,
	    .fd = fd,
	    .encodes = copy == NULL && suits && !in_vary,
	    .age_s = age_s,
	    .cache = cache,
	};
	store_used(x->context->store, e->id, 1, x->now); /* a copy has no use of its own */
	deliver_respond(x, &rep);
	buf_fini(&fields);
	if (fd >= 0)
		close(fd);
	return 0;
}

bool stored_response_send_stale(struct exchange *x, const struct selection_plan *plan, const char *how, const char *why)
{
	char cache[RESPONSE_HEAD_STATUS];
	if (plan->entry == NULL)
		return false;
	snprintf(cache, sizeof cache, "%s; ttl=%" PRId64 "; detail=\"%s\"", how, plan->use.ttl_s, why);
	if (stored_response_send(x, plan->entry, plan->use.age_s, cache, span_make(NULL, 0)) != 0)
		return false;
	x->verdict = "stale";
	stats_add(STATS_STALE_HITS, 1);
	return true;
}
