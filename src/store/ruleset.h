/* ruleset: the rules as they are now, read again when one changes. Any thread may call. */
#ifndef CURLEW_STORE_RULESET_H
#define CURLEW_STORE_RULESET_H

#include "http/rule.h"

struct ruleset;

/* NULL with why. */
struct ruleset *ruleset_open(const char *dir, struct buf *why);
/* All sets must have been dropped. NULL is fine. */
void ruleset_close(struct ruleset *);

struct store_rules {
	const struct rules *rules;
	int64_t generation;
	int64_t purge_id; /* the last purge (table purge); a fetch that begins now knows of all purges up to it */
};
/* The current set: every commit before this call is in it. After an error, the last one that could be read. Give it
 * back with ruleset_drop(). generation: the generation of the rules, if the caller has just read it: if the current set
 * is that one, the index is not looked at. -1: not known. */
const struct store_rules *ruleset_take(struct ruleset *, int64_t generation);
/* One more holder of a set that the caller holds. */
void ruleset_hold(const struct store_rules *);
void ruleset_drop(const struct store_rules *);

#endif
