/*
 * entry_write: changes rows of the table entry. The thread of the writing connection calls, inside a transaction.
 *
 * Each function returns 0, or -1 after an error that it has logged, unless stated otherwise.
 */
#ifndef CURLEW_INDEX_ENTRY_WRITE_H
#define CURLEW_INDEX_ENTRY_WRITE_H

#include "index/entry.h"
#include "index/index.h"
#include "index/stored.h"

/* May the row `was` be replaced? STORED: yes, fetched_at and fresh_until are as they were read. */
enum index_stored index_replaceable(struct index *, const struct entry *was);
/* Inserts a row, or overwrites the row of the same URL and variant. Sets e->id. STORED or UNSTORED. */
enum index_stored index_put(struct index *, struct entry *e);
/* Writes what a 304 changed, only if the row's times and body_file are still those of `was` (invariant 8). */
int index_refresh(struct index *, const struct entry *was, const struct entry *now);
/* The origin has withdrawn the response: the row may not be served stale any more (POLICY_STORING_WITHDRAWN). Only if
 * its times are still those of `was` (invariant 8). */
int index_withdraw(struct index *, const struct entry *was);
/* Deletes the rows and parts of all spellings of a URL, which is given in its normal form. */
int index_invalidate(struct index *, const char *url);
/* Deletes a row by id and body_file (invariant 3). */
int index_drop(struct index *, int64_t id, const char *body_file);
/* Counts hits of an entry. A negative id is the use of the part -id (store_used_part). used_at: Unix seconds. */
int index_used(struct index *, int64_t id, int64_t hits, int64_t used_at);

#endif
