/*
 * wal_header: has any connection of any process committed since the last look? Answered without a system call, from the
 * header of the WAL-index, which SQLite keeps in shared memory (https://www.sqlite.org/walformat.html, 2.2).
 *
 * SQLite itself decides in this way, at the beginning of each read transaction, whether its page cache is still valid.
 * But it takes and gives back a lock on the file, too. Nothing else is read here, and nothing is written.
 */
#ifndef CURLEW_INDEX_WAL_HEADER_H
#define CURLEW_INDEX_WAL_HEADER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { WAL_HEADER_WORDS = 6 }; /* of one copy of the header: it has two */

struct wal_header {
	bool searched;
	const uint64_t *shared; /* NULL: not found */
	uint64_t seen[WAL_HEADER_WORDS];
};

/* Finds the header, of a connection that has read already. The struct must not be used after the connection is closed.
 * If the database has no WAL, `shared` stays NULL. */
void wal_header_find(struct wal_header *, sqlite3 *);

/* True when the header is what the last call of wal_header_note() saw: nobody has committed since. */
bool wal_header_is_same(const struct wal_header *);

/* Remembers the header. To be called before the read whose result stays valid while the header is the same: a commit
 * after this call changes it. */
void wal_header_note(struct wal_header *);

#endif
