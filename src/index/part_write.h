/*
 * part_write: changes rows of the table part. The thread of the writing connection calls, inside a transaction.
 *
 * Each function returns 0, or -1 after an error that it has logged, unless stated otherwise.
 */
#ifndef CURLEW_INDEX_PART_WRITE_H
#define CURLEW_INDEX_PART_WRITE_H

#include "index/index.h"
#include "index/part.h"
#include "index/stored.h"

/* Stores one more range of e's body. Ranges of another response are deleted, and ranges within the new one. PURGED: the
 * range is stored already. */
enum index_stored index_put_part(struct index *, struct entry *e, const struct part_place *);
/* The parts of the same response as e, if they cover the whole body; else no parts. The caller frees them. */
void index_find_covered(struct index *, const struct entry *e, struct index_parts *parts);
/* May an entry made of these parts be stored? PURGED: a part was deleted. CHANGED: a response at least as new is
 * stored. */
enum index_stored index_joinable(struct index *, const struct entry *, const struct index_parts *);
/* Deletes the part that owns this file. */
int index_drop_part(struct index *, const char *body_file);
/* Deletes all ranges of a URL, or of one of its variants (vary not NULL). */
int index_drop_parts(struct index *, const char *url, const char *vary);
/* Deletes the ranges of all spellings of a URL, which is given in its normal form. */
int index_invalidate_parts(struct index *, const char *url);

#endif
