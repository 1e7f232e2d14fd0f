/* store_parts: stored ranges of incomplete bodies (RFC 9111 3.3, 3.4), joined to their files. Any thread may call. */
#ifndef CURLEW_STORE_STORE_PARTS_H
#define CURLEW_STORE_STORE_PARTS_H

#include "index/part.h"
#include "index/rows.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* As index_find_parts(). */
enum index_result store_find_parts(struct store *, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *parts);
/* As store_open_body(). */
int store_open_part(struct store *, const struct part *);
/* Calls each() for the parts of every response whose parts may cover the whole body, up to a thousand. each() may take
 * the parts. */
void store_covered(struct store *, void (*each)(void *ctx, struct index_parts *), void *ctx);
/* used_at: Unix seconds. Cheap; written in batches. */
void store_used_part(struct store *, int64_t id, int64_t used_at);
/* Deletes all ranges of the URL, because the origin has no such response any more. Queued. */
void store_drop_parts(struct store *, const char *url);

#endif
