#include "index/part.h"

#include <stdlib.h>

void index_parts_free(struct index_parts *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->parts[i].body_file);
	free(p->parts);
	entry_free(p->of);
	*p = (struct index_parts){.whole_bytes = -1};
}

int64_t index_parts_cover(const struct index_parts *p, int64_t first)
{
	int64_t at = first;
	for (size_t i = 0; i < p->count && p->parts[i].first_byte <= at; i++)
		if (p->parts[i].first_byte + p->parts[i].body_bytes > at)
			at = p->parts[i].first_byte + p->parts[i].body_bytes;
	return at - first;
}
