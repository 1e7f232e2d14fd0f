#include "index/found.h"

#include <stdlib.h>

void index_rows_free(struct index_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		entry_free(rows->entries[i]);
	free(rows->entries);
	*rows = (struct index_rows){0};
}

int index_rows_copy(const struct index_rows *from, struct index_rows *to)
{
	*to = (struct index_rows){0};
	if (from->count == 0)
		return 0;
	to->entries = calloc(from->count, sizeof *to->entries);
	for (; to->entries != NULL && to->count < from->count; to->count++)
		if ((to->entries[to->count] = entry_copy(from->entries[to->count])) == NULL)
			break;
	if (to->entries != NULL && to->count == from->count)
		return 0;
	index_rows_free(to);
	return -1;
}

const char *store_text(const struct index_column *c)
{
	return c->text != NULL ? c->text : "";
}

int64_t store_size(const struct index_column *c)
{
	const int64_t most = INT64_C(1) << 53;
	int64_t n = strtoll(store_text(c), NULL, 10);
	return n < 0 ? 0 : n > most ? most : n;
}
