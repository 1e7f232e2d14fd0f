#include "index/column.h"

#include <stdlib.h>

const char *column_text(const struct index_column *c)
{
	return c->text != NULL ? c->text : "";
}

int64_t column_size(const struct index_column *c)
{
	const int64_t most = INT64_C(1) << 53;
	int64_t n = strtoll(column_text(c), NULL, 10);
	return n < 0 ? 0 : n > most ? most : n;
}
