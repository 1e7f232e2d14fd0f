/* trash: the table trash: body files that no row owns any more (invariant 4). The thread of the connection calls. */
#ifndef CURLEW_INDEX_TRASH_H
#define CURLEW_INDEX_TRASH_H

#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

struct index_trash {
	int64_t id;
	char file[64]; /* "" when it is longer than any name that curlew gives */
	bool owned;    /* a row owns the file after all */
};
/* Up to max rows with ids above `after`, in order of id. Their number, or -1. */
int index_trash(struct index *, int64_t after, struct index_trash *, int max);

/* Inside a transaction. 0 or -1. */
int index_trash_add(struct index *, const char *file);
int index_trash_remove(struct index *, int64_t id, const char *file);

#endif
