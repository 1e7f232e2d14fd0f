#include "index/query_rows.h"

#define COLUMNS_MAX 64

int index_give_rows(sqlite3_stmt *st, int (*row)(void *, const struct index_column *, size_t), void *ctx)
{
	int rc, count = sqlite3_column_count(st);
	struct index_column columns[COLUMNS_MAX];
	if (count > COLUMNS_MAX)
		count = COLUMNS_MAX;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < count; i++) {
			int type = sqlite3_column_type(st, i);
			columns[i].name = sqlite3_column_name(st, i);
			columns[i].is_number = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
			columns[i].text = (const char *)sqlite3_column_text(st, i);
		}
		if (row(ctx, columns, (size_t)count) != 0)
			return SQLITE_DONE;
	}
	return rc;
}
