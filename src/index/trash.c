#include "index/trash.h"

#include "index/row.h"

#include <assert.h>

int index_trash(struct index *ix, int64_t after, struct index_trash *items, int max)
{
	sqlite3_stmt *st = ix->statements[TRASH];
	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int(st, 2, max);
	int n = 0;
	enum index_result found = INDEX_ABSENT;
	for (; n < max && (found = index_step(ix, TRASH, "reading the trash")) == INDEX_FOUND; n++) {
		items[n].id = sqlite3_column_int64(st, 0);
		index_copy_text(items[n].file, sizeof items[n].file, st, 1);
		items[n].owned = sqlite3_column_int(st, 2) != 0;
	}
	index_reset(ix, TRASH);
	return found == INDEX_BROKEN ? -1 : n;
}

int index_trash_add(struct index *ix, const char *file)
{
	assert(ix->who != NULL);
	index_bind_text(ix->statements[TRASH_ADD], 1, file);
	return index_run(ix, TRASH_ADD, "adding to the trash");
}

int index_trash_remove(struct index *ix, int64_t id, const char *file)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[TRASH_REMOVE], 1, id);
	index_bind_text(ix->statements[TRASH_REMOVE], 2, file);
	return index_run(ix, TRASH_REMOVE, "emptying the trash");
}
