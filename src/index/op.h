/* op: places in the queues of the writer's and the disk's thread, to be embedded in what is to be done. */
#ifndef CURLEW_INDEX_OP_H
#define CURLEW_INDEX_OP_H

#include <stdbool.h>

struct index;

struct writer_op {
	struct writer_op *next;
	/* On the writer's thread, within a transaction: 0, or -1 when it failed alone. */
	int (*run)(struct writer_op *, struct index *);
	/* On the writer's thread, after the transaction. committed: run() said 0 and the transaction stands. */
	void (*done)(struct writer_op *, bool committed);
	int result;
};

struct disk_job {
	void (*run)(struct disk_job *); /* on the disk thread; may free the job or queue it again */
	struct disk_job *next;          /* private */
};

#endif
