#include "base/shared_bytes.h"

#include <stdlib.h>

struct shared_bytes *shared_bytes_new(size_t len)
{
	struct shared_bytes *b = malloc(sizeof *b + len);
	if (b == NULL)
		return NULL;
	atomic_init(&b->owners, 1);
	b->len = len;
	return b;
}

struct shared_bytes *shared_bytes_keep(struct shared_bytes *b)
{
	atomic_fetch_add_explicit(&b->owners, 1, memory_order_relaxed);
	return b;
}

void shared_bytes_drop(struct shared_bytes *b)
{
	if (b != NULL && atomic_fetch_sub_explicit(&b->owners, 1, memory_order_acq_rel) == 1)
		free(b);
}
