#include "store/found.h"

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
