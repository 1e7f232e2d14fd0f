/*
 * index: a connection to index.db, which holds the rows of the cache. It knows SQL and nothing of body files.
 *
 * One struct index is one connection with its statements prepared. One thread uses it at a time. A process has one
 * connection that writes; the writer thread owns it (writer.h).
 *
 * The functions on a connection are in one header per table or task: entry_read.h, entry_write.h, part_read.h,
 * part_write.h, rules.h, leases.h, trash.h, settings.h, counters.h and so on. When SQLite fails, a function counts the
 * error, logs it (rate-limited) and returns it; the caller does not log it again. When SQLite reports damage, a mark is
 * left in the directory, and the next index_setup() sets the index aside.
 *
 * Only SQLite opens index.db, -wal and -shm (invariant 9).
 */
#ifndef CURLEW_INDEX_INDEX_H
#define CURLEW_INDEX_INDEX_H

#include "base/buf.h"

struct index;

enum index_role {
	INDEX_READER,
	INDEX_WRITER,
	INDEX_MAINTENANCE, /* reads, and makes checkpoints */
	INDEX_GUEST        /* reads for a verb; the directory may be read-only, and index_setup() was not called */
};

/* Opens a connection to an index that index_setup() accepted. NULL with why (not counted, not logged). */
struct index *index_open(const char *dir, enum index_role, struct buf *why);
/* NULL is fine. */
void index_close(struct index *);

#endif
