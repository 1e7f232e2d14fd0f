/* db_size: the size of index.db and of its WAL. The thread of the connection calls, unless stated otherwise. */
#ifndef CURLEW_INDEX_DB_SIZE_H
#define CURLEW_INDEX_DB_SIZE_H

#include "index/index.h"

#include <stdint.h>

/* Pages of the file, and how many of them are free. 0 or -1. */
int index_pages(struct index *, int64_t *pages, int64_t *free_pages);
/* Returns up to `pages` free pages to the file system. Inside a transaction. 0 or -1. */
int index_vacuum(struct index *, int pages);
/* Copies the WAL into the file as far as readers allow, without waiting for anybody. log: frames in the WAL; done: how
 * many of them are in the file now. 0, or -1, also where another process is making a checkpoint. */
int index_checkpoint(struct index *, int *log, int *done);
/* Frames in the WAL when this writing connection last committed. Any thread may call. */
int index_wal_frames(const struct index *);

#endif
