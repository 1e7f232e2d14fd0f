/* counters: the one row of the table counter, and SQLite's own counter of commits. The thread of the connection calls.
 */
#ifndef CURLEW_INDEX_COUNTERS_H
#define CURLEW_INDEX_COUNTERS_H

#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

struct index_totals {
	int64_t edits, entries, bytes;
};
/* 0 or -1. */
int index_totals(struct index *, struct index_totals *);
/* counter.edits: it changes when a response held in memory may have become wrong. -1: error. */
int64_t index_edits(struct index *);
/* counter.rules: it changes with every change of a rule and with every purge. *purge_id: the last purge. -1: error. */
int64_t index_generation(struct index *, int64_t *purge_id);
/* PRAGMA data_version: it changes with every commit of any other connection of any process. -1: error. */
int64_t index_version(struct index *);

#endif
