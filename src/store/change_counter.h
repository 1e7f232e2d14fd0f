/*
 * change_counter: has the index changed so that a response held in memory may be wrong?
 *
 * Each loop has a change counter of its own and is the only thread that uses it.
 */
#ifndef CURLEW_STORE_CHANGE_COUNTER_H
#define CURLEW_STORE_CHANGE_COUNTER_H

#include "index/entry.h"
#include "index/rows.h"

#include <stdint.h>

struct change_counter;
struct store;

/* NULL: an error, logged. */
struct change_counter *change_counter_new(struct store *);
void change_counter_free(struct change_counter *);
/* The edit counter now. It changes when any process deletes a row, changes a column that a response depends on, adds a
 * second variant to a URL, or changes a rule; not for new rows and usage. The cost is a PRAGMA data_version, and more
 * only after a commit. -1: an error, logged. */
int64_t change_counter_edits(struct change_counter *);
/* The generation of the rules at the last change_counter_edits(). When it has changed, the rules must be read again. */
int64_t change_counter_rules(const struct change_counter *);
/* FOUND: the URL has exactly this one row, and every column that a response depends on is as in the entry. */
enum index_result change_counter_confirm(struct change_counter *, const struct entry *);

#endif
