/*
 * A writer changes the second copy of the header first, then the first one. A reader that finds the two different has
 * come in the middle of that.
 *
 * Every commit counts up a number in the header. So a header that is the same word for word is that of the same commit.
 */
#include "index/wal_header.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { VERSION_WORD = 0, FORMAT = 3007000, REGION_BYTES = 32768 };

static uint64_t word(const struct wal_header *h, int i)
{
	return __atomic_load_n(h->shared + i, __ATOMIC_RELAXED);
}

/* In another mode, asking for the WAL-index would create one. */
static bool has_wal(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	const char *mode = NULL;
	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		mode = (const char *)sqlite3_column_text(st, 0);
	bool wal = mode != NULL && strcmp(mode, "wal") == 0;
	sqlite3_finalize(st);
	return wal;
}

void wal_header_find(struct wal_header *h, sqlite3 *db)
{
	sqlite3_file *file = NULL;
	void volatile *region = NULL;
	h->searched = true;
	if (!has_wal(db) || sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
	    file == NULL || file->pMethods == NULL || file->pMethods->iVersion < 2 ||
	    file->pMethods->xShmMap(file, 0, REGION_BYTES, 0, &region) != SQLITE_OK || region == NULL)
		return;
	const uint64_t *shared = (const uint64_t *)(uintptr_t)region;
	if ((uint32_t)__atomic_load_n(shared + VERSION_WORD, __ATOMIC_RELAXED) == FORMAT)
		h->shared = shared;
}

bool wal_header_is_same(const struct wal_header *h)
{
	uint64_t differs = h->shared == NULL;
	for (int i = 0; differs == 0 && i < WAL_HEADER_WORDS; i++)
		differs = (word(h, i) ^ h->seen[i]) | (word(h, WAL_HEADER_WORDS + i) ^ h->seen[i]);
	atomic_thread_fence(memory_order_acquire);
	return differs == 0;
}

void wal_header_note(struct wal_header *h)
{
	uint64_t differs = 0;
	if (h->shared == NULL)
		return;
	for (int i = 0; i < WAL_HEADER_WORDS; i++) {
		h->seen[i] = word(h, i);
		differs |= h->seen[i] ^ word(h, WAL_HEADER_WORDS + i);
	}
	atomic_thread_fence(memory_order_acquire);
	if (differs != 0)
		h->seen[VERSION_WORD] = 0; /* a commit is being written: this header is never the same again */
}
