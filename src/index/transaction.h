/* transaction: the transaction of the writing connection. The thread of the connection calls. */
#ifndef CURLEW_INDEX_TRANSACTION_H
#define CURLEW_INDEX_TRANSACTION_H

#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

enum index_begun {
	INDEX_BEGUN,
	INDEX_LOCKED, /* another process is writing; we waited for 50 ms */
	INDEX_FAILED  /* logged */
};
/* who: a literal, for messages. */
enum index_begun index_begin(struct index *, const char *who);
/* 0, or -1: the transaction was rolled back. */
int index_commit(struct index *);
/* Rolls the transaction back, if SQLite has not done so already. */
void index_abort(struct index *);
/* False after an error that made SQLite roll the transaction back. */
bool index_in_transaction(const struct index *);
/* counter.edits as it was when the transaction began. */
int64_t index_begun_edits(const struct index *);

#endif
