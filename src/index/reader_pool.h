/* reader_pool: read connections, lent to whoever looks something up. Any thread may call. */
#ifndef CURLEW_INDEX_READER_POOL_H
#define CURLEW_INDEX_READER_POOL_H

#include "index/index.h"

struct reader_pool;

/* NULL with why, when not even one connection can be opened. */
struct reader_pool *reader_pool_open(const char *dir, struct buf *why);
/* All connections must have been given back. */
void reader_pool_close(struct reader_pool *);

/* A connection for one look-up. Waits for one when all are in use. NULL: an error, logged. */
struct index *reader_pool_take(struct reader_pool *);
void reader_pool_give(struct reader_pool *, struct index *);

#endif
