/* disk: one thread that writes bodies, so that no other thread waits for the disk. */
#ifndef CURLEW_BODY_DISK_H
#define CURLEW_BODY_DISK_H

#include "body/disk_job.h"

struct disk;

/* NULL: no memory or no thread. */
struct disk *disk_start(void);
/* Does what is queued, also what those jobs queue, and ends the thread. NULL is fine. */
void disk_stop(struct disk *);
/* Queues a job; jobs run in the order of the calls. Any thread. */
void disk_queue(struct disk *, struct disk_job *);

#endif
