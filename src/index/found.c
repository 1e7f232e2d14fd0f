#include "index/found.h"

#include <stdlib.h>

void store_rows_free(struct store_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		entry_free(rows->entries[i]);
	free(rows->entries);
	*rows = (struct store_rows){0};
}

int store_rows_copy(const struct store_rows *from, struct store_rows *to)
{
	*to = (struct store_rows){0};
	if (from->count == 0)
		return 0;
	to->entries = calloc(from->count, sizeof *to->entries);
	for (; to->entries != NULL && to->count < from->count; to->count++)
		if ((to->entries[to->count] = entry_copy(from->entries[to->count])) == NULL)
			break;
	if (to->entries != NULL && to->count == from->count)
		return 0;
	store_rows_free(to);
	return -1;
}

const char *store_text(const struct store_column *c)
{
	return c->text != NULL ? c->text : "";
}

int64_t store_size(const struct store_column *c)
{
	const int64_t most = INT64_C(1) << 53;
	int64_t n = strtoll(store_text(c), NULL, 10);
	return n < 0 ? 0 : n > most ? most : n;
}
