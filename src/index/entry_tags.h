/*
 * entry_tags: the table entry_tag, the groups that responses name (http/groups.h). The triggers remove the rows of a
 * deleted entry. The thread of the writing connection calls, inside a transaction.
 */
#ifndef CURLEW_INDEX_ENTRY_TAGS_H
#define CURLEW_INDEX_ENTRY_TAGS_H

#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes these the groups of the row, and no others. groups: a list as in http/groups.h; NULL: none. `fresh`: the row
 * was inserted in this transaction, so it has none yet. 0, or -1 after an error that was logged. */
int index_tags_set(struct index *, int64_t id, const char *groups, bool fresh);

/* Deletes rows and parts whose URL begins with `origin` ("http://host/") and that are in one of the groups, a thousand
 * or so at most; *more: there are others. 0, or -1 after an error that was logged. */
int index_invalidate_groups(struct index *, struct span origin, const char *groups, bool *more);

#endif
