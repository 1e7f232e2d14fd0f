/*
 * directives: the caching directives of a message, from Cache-Control or a targeted field, in one struct (RFC 9111 5.2,
 * RFC 9213, RFC 5861, RFC 8246). policy draws the conclusions.
 *
 * Pure. Nothing here allocates. Any thread may call.
 */
#ifndef CURLEW_HTTP_DIRECTIVES_H
#define CURLEW_HTTP_DIRECTIVES_H

#include "http/message.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A number of seconds is -1 when the directive is absent, and DIRECTIVES_BAD when its argument is malformed (a lifetime
 * then means stale, RFC 9111 4.2.1). The first of repeated directives counts (4.2.1).
 */
enum { DIRECTIVES_BAD = -2 };

struct directives {
	/* The targeted field that they come from, one of the given names; NULL: Cache-Control. */
	const char *field;
	bool no_store;
	/* For the whole response. With field names as argument it applies to these fields: directives_withhold()
	 * (5.2.2.4). */
	bool no_cache;
	bool is_private; /* likewise (5.2.2.7) */
	bool is_public;
	bool must_revalidate;
	bool proxy_revalidate;
	bool must_understand;
	bool immutable;
	bool only_if_cached;
	int64_t max_age_s;
	int64_t s_maxage_s;
	int64_t stale_while_revalidate_s;
	int64_t stale_if_error_s;
	int64_t min_fresh_s;
	int64_t max_stale_s; /* INT64_MAX when present without a number */
};

/* The directives of a response: of the first targeted field that is present, valid and not empty, else of
 * Cache-Control. */
void directives_of_response(
    struct directives *, const struct head *response, const char *const *targets, size_t target_count);
/* Cache-Control may say no-cache="FIELDS" or, to a shared cache, private="FIELDS". Those may not be reused as they are,
 * so they are not stored (5.2.2.4, 5.2.2.7): sets withheld[i] for such a field i; the others are left as they are. */
void directives_withhold(const struct head *response, bool private_cache, bool withheld[]);
/* The Cache-Control of a request. */
void directives_of_request(struct directives *, const struct head *request);

#endif
