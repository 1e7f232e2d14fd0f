/*
 * writer_op: one operation in the writer's queue. The caller embeds it in a struct of its own, which holds the data.
 *
 * The caller owns the memory until done() has returned. From writer_queue() to done(), only the writer touches it.
 */
#ifndef CURLEW_INDEX_WRITER_OP_H
#define CURLEW_INDEX_WRITER_OP_H

#include <stdbool.h>

struct index;

enum writer_prepared {
	WRITER_PREPARED,
	WRITER_NOT_YET /* an operation that was queued by writer_queue_first() must be committed first */
};

struct writer_op {
	/* Called on the writer thread, outside of any transaction, right before the operation takes part in one: for
	 * work that should not keep other processes out of the index, such as writing a file. May be called again after
	 * WRITER_NOT_YET. NULL: nothing to prepare. */
	enum writer_prepared (*prepare)(struct writer_op *);
	/* Called on the writer thread, inside a transaction. 0, or -1: this operation failed and the others go on. */
	int (*run)(struct writer_op *, struct index *);
	/* Called on the writer thread, after the transaction. committed: run() returned 0 and the transaction was
	 * committed. It may free the operation or queue it again. */
	void (*done)(struct writer_op *, bool committed);
	struct writer_op *next; /* the writer's */
	int result;             /* the writer's: what run() returned */
};

#endif
