/*
 * writer_op: one operation in the writer's queue. The caller embeds it in a struct of its own, which holds the data.
 *
 * The caller owns the memory until done() has returned. From writer_queue() to done(), only the writer touches it.
 */
#ifndef CURLEW_INDEX_WRITER_OP_H
#define CURLEW_INDEX_WRITER_OP_H

#include <stdbool.h>

struct index;

struct writer_op {
	/* NULL, or called on the writer thread before run(), outside a transaction: for work on files, so that it does
	 * not keep other processes out. True: run() may follow. False: an urgent operation (writer_queue_urgent) must
	 * be committed first; then prepare() is called again. */
	bool (*prepare)(struct writer_op *);
	/* Called on the writer thread, inside a transaction. 0, or -1: this operation failed and the others go on. */
	int (*run)(struct writer_op *, struct index *);
	/* Called on the writer thread, after the transaction. committed: run() returned 0 and the transaction was
	 * committed. It may free the operation or queue it again. */
	void (*done)(struct writer_op *, bool committed);
	bool has_file;          /* it holds a descriptor while it waits; those that do are limited more tightly */
	struct writer_op *next; /* the writer's */
	int result;             /* the writer's: what run() returned */
};

#endif
