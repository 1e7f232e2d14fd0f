/* checkpoint: keeps the write-ahead log short and returns free pages. Maintenance thread. */
#ifndef CURLEW_STORE_CHECKPOINT_H
#define CURLEW_STORE_CHECKPOINT_H

struct maintenance;

/* Makes a checkpoint when the WAL has grown, and stops storing while a reader keeps it from being emptied. */
void checkpoint_wal(struct maintenance *);
/* Queues the return of some free pages, when there are many. */
void checkpoint_free_pages(struct maintenance *);

#endif
