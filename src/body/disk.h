/* disk: one thread that writes bodies, so that nobody else waits for a disk. */
#ifndef CURLEW_BODY_DISK_H
#define CURLEW_BODY_DISK_H

#include "body/disk_job.h"

struct disk;

/* NULL: no memory or no thread. */
struct disk *disk_start(void);
/* Does what is queued, also what that queues, and ends the thread. */
void disk_stop(struct disk *);
/* Any thread. In order of asking. */
void disk_queue(struct disk *, struct disk_job *);

#endif
