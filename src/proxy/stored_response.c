#include "proxy/stored_response.h"

#include "base/stats.h"
#include "proxy/deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

int stored_response_send(
    struct exchange *x, const struct entry *e, int64_t age_s, const char *cache, struct span cookies)
{
	int fd = -1;
	if (e->body_file != NULL && (fd = store_open_body(x->context->store, e)) < 0)
		return -1;
	struct representation rep = {
	    .status = e->status,
	    .fields = span_of(e->headers),
	    .reused = true,
	    .cookies = cookies,
	    .bytes = e->body_bytes,
	    .fd = fd,
	    .age_s = age_s,
	    .cache = cache,
	};
	store_used(x->context->store, e->id, 1, x->now);
	deliver_respond(x, &rep);
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
