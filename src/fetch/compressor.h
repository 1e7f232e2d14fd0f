/*
 * compressor: makes compressed copies of stored responses (--compress), in a thread of its own. A copy is a row of its
 * own whose encoded_from is the id of its original; triggers of the schema remove it with its original.
 *
 * One copy is made at a time. The queue is bounded: what does not fit is left out, and the next request that wants the
 * copy asks again. So does a copy that was not stored. A body that does not become smaller is remembered for a while.
 */
#ifndef CURLEW_FETCH_COMPRESSOR_H
#define CURLEW_FETCH_COMPRESSOR_H

#include "http/compression.h"
#include "index/entry.h"

struct compressor;
struct store;

/* NULL: no memory, or no thread. */
struct compressor *compressor_new(struct store *);
/* Stops the copy in progress and forgets the others. Call it before store_close(). NULL is fine. */
void compressor_free(struct compressor *);
/* Asks for a copy of a stored response in that coding. Copies the entry; does not wait. purge_id: the last purge known
 * (store_rules). Nothing happens if the response does not suit, or compressor is NULL. Any thread. */
void compressor_want(struct compressor *, const struct entry *original, enum compression, int64_t purge_id);

#endif
