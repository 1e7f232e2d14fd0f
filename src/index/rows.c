#include "index/rows.h"

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
