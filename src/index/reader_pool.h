/* pool: reading connections for whoever looks something up. Any thread may call. */
#ifndef CURLEW_INDEX_READER_POOL_H
#define CURLEW_INDEX_READER_POOL_H

#include "index/index.h"

struct pool;

/* NULL with why when not even one connection can be opened. */
struct pool *pool_open(const char *dir, struct buf *why);
/* All connections must have been given back. */
void pool_close(struct pool *);

/* One connection for one look-up; waits a moment when all are in use. NULL: trouble, logged. */
struct index *pool_take(struct pool *);
void pool_give(struct pool *, struct index *);

#endif
