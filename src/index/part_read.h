/* part_read: looks up rows of the table part. The thread of the connection calls. */
#ifndef CURLEW_INDEX_PART_READ_H
#define CURLEW_INDEX_PART_READ_H

#include "index/index.h"
#include "index/part.h"
#include "index/rows.h"

/* The stored ranges of one response of a URL, in one snapshot: the response whose variant text wanted() accepts first.
 * wanted() sees the latest responses first. The caller frees the parts. An invalid row is left out. */
enum index_result index_find_parts(struct index *, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *);

#endif
