/* rulebook: the rules as they stand now, read again when one changes. Any thread may call. */
#ifndef CURLEW_STORE_RULESET_H
#define CURLEW_STORE_RULESET_H

#include "http/rule.h"

struct ruleset;

/* NULL with why. */
struct ruleset *ruleset_open(const char *dir, struct buf *why);
/* All sets must have been dropped. */
void ruleset_close(struct ruleset *);

struct store_rules {
	const struct rules *rules;
	int64_t generation;
	int64_t purge_id; /* the last purge (table purge) there was: what sets out now knows of all up to it */
};
/* The set that holds from here on: every commit before this call is in it. Trouble: the last one that could be read. */
const struct store_rules *ruleset_take(struct ruleset *);
void ruleset_drop(const struct store_rules *);

#endif
