/* store_find: looks rows up and opens their bodies. Any thread may call. */
#ifndef CURLEW_STORE_STORE_FIND_H
#define CURLEW_STORE_STORE_FIND_H

#include "index/entry.h"
#include "index/rows.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* All variants of a URL, in one snapshot. The caller frees the rows. */
enum index_result store_find(struct store *, const char *url, struct index_rows *rows);
/* Opens the body of a row, whose body_file must not be NULL. A descriptor, which the caller closes; it stays readable
 * whatever happens to the row. -1: treat it as a miss. The file is missing, of another size or, when it was unsynced,
 * of another SHA-256. The row has been looked up once more and queued for removal by id and body_file (invariant 3). */
int store_open_body(struct store *, const struct entry *);

/* For store_parts.c: opens a file of that size. It is verified when it is unsynced (invariant 7), or when the caller
 * knows that it was. -1: the file is missing or wrong. -2: that is not known; logged. */
int store_open_verified(
    struct store *, const char *file, int64_t bytes, bool unsynced, const unsigned char *sha256_or_null);

#endif
