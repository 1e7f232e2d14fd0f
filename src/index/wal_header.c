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

static void copy(const struct wal_header *h, uint32_t first[WAL_HEADER_WORDS], uint32_t second[WAL_HEADER_WORDS])
{
	for (int i = 0; i < WAL_HEADER_WORDS; i++)
		first[i] = __atomic_load_n(h->shared + i, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_acquire);
	for (int i = 0; i < WAL_HEADER_WORDS; i++)
		second[i] = __atomic_load_n(h->shared + WAL_HEADER_WORDS + i, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_acquire);
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
	const uint32_t *shared = (const uint32_t *)(uintptr_t)region;
	if (__atomic_load_n(shared + VERSION_WORD, __ATOMIC_RELAXED) == FORMAT)
		h->shared = shared;
}

bool wal_header_is_same(const struct wal_header *h)
{
	uint32_t first[WAL_HEADER_WORDS], second[WAL_HEADER_WORDS];
	if (h->shared == NULL)
		return false;
	copy(h, first, second);
	return memcmp(first, h->seen, sizeof first) == 0 && memcmp(second, h->seen, sizeof second) == 0;
}

void wal_header_note(struct wal_header *h)
{
	uint32_t second[WAL_HEADER_WORDS];
	if (h->shared == NULL)
		return;
	copy(h, h->seen, second);
	if (memcmp(h->seen, second, sizeof second) != 0)
		h->seen[VERSION_WORD] = 0; /* a commit is being written: this header is never the same again */
}
