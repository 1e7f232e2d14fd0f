/*
 * join: stored parts that cover a whole body become an entry (RFC 9111 3.4), found like any other: when the last of
 * them has been stored, or at start, where an earlier process left them.
 *
 * The disk thread copies their bytes into one new body, a few MiB at a time between other work, and one body after
 * another. The row is put only if all of them are still there then, and nothing newer is stored; the same transaction
 * removes them. Knows nothing of clients.
 */
#ifndef CURLEW_FETCH_JOIN_H
#define CURLEW_FETCH_JOIN_H

#include "http/policy.h"
#include "store/store.h"

struct joins;

struct joins *joins_new(struct store *, const struct policy *, int64_t max_body); /* NULL: memory */
/* Waits for the body that is being copied, unless it is large; what has not begun is left to the next start. NULL is
 * fine. */
void joins_free(struct joins *);
/* Any thread; does not wait. Takes the parts. Nothing happens where they do not cover the whole, or may not be joined
 * or stored. ruling: of their URL; purge_id: the last purge known (store_rules). */
void joins_add(struct joins *, struct index_parts *, const struct rule_decision *, int64_t purge_id);
/* All that is in the store. Reads the index. */
void joins_add_stored(struct joins *);

#endif
