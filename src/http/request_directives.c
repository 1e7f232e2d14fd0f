/*
 * What a request says about caching. A malformed number is read so that the origin is contacted more often, not less.
 */
#include "http/request_directives.h"

#include "http/directives.h"

void request_directives_read(const struct head *request, struct request_directives *out)
{
	struct directives d;
	directives_of_request(&d, request);
	out->no_cache = d.no_cache;
	out->no_store = d.no_store;
	out->only_if_cached = d.only_if_cached;
	/* A malformed max-age means 0. A malformed permission is as if it were absent. */
	out->max_age_s = d.max_age_s == DIRECTIVES_BAD ? 0 : d.max_age_s;
	out->min_fresh_s = d.min_fresh_s < 0 ? -1 : d.min_fresh_s;
	out->max_stale_s = d.max_stale_s < 0 ? -1 : d.max_stale_s;
	out->stale_if_error_s = d.stale_if_error_s < 0 ? -1 : d.stale_if_error_s;
	if (!message_has(request, "Cache-Control") && message_lists(request, "Pragma", "no-cache"))
		out->no_cache = true; /* RFC 9111 5.4 */
}
