/*
 * combiner: makes an entry of stored parts that cover a whole body (RFC 9111 3.4). It learns of them when the last
 * part has been stored, and at start, for parts that an earlier process left. Knows nothing of flights or clients.
 *
 * The disk thread copies the parts into one new body file, one body after another, a few MiB at a time between other
 * work. The row is put only if all parts are still there and nothing newer is stored; the same transaction removes
 * them.
 */
#ifndef CURLEW_FETCH_COMBINER_H
#define CURLEW_FETCH_COMBINER_H

#include "http/policy.h"
#include "store/store.h"

struct combiner;

/* max_body: larger bodies are not stored; it may change and outlives the combiner. 0: no limit. NULL: no memory. */
struct combiner *combiner_new(struct store *, const struct policy *, const _Atomic int64_t *max_body);
/* Waits for the body that is being copied, unless it is large. The rest is left for the next start. Call it before
 * store_close(). NULL is fine. */
void combiner_free(struct combiner *);
/* Takes the parts, in any case. Nothing happens if they do not cover the whole body, or may not be combined or stored.
 * decision: the rules' for their URL. purge_id: the last purge known (store_rules). Any thread; does not wait. */
void combiner_add(struct combiner *, struct index_parts *, const struct rule_decision *, int64_t purge_id);
/* The same for all parts in the store. Reads the index. */
void combiner_add_stored(struct combiner *);

#endif
