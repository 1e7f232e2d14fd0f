#include "fetch/stream_buffer.h"

#include <stdlib.h>

/* The first piece fits a small body exactly; others are large enough to be worth a system call each. */
enum { PIECE_BYTES = 64 << 10, PIECE_LEAST = 4 << 10 };

static struct segment *piece_new(const struct stream_buffer *w, size_t n, int64_t expected)
{
	size_t cap = PIECE_BYTES;
	if (w->end == 0 && expected >= 0 && expected < PIECE_BYTES)
		cap = (size_t)expected;
	else if (w->end == 0 && n < PIECE_LEAST)
		cap = PIECE_LEAST;
	if (cap < n)
		cap = n;
	struct segment *p = malloc(sizeof *p + cap);
	if (p == NULL)
		return NULL;
	atomic_init(&p->refs, 1);
	p->at = w->end;
	p->len = 0;
	p->cap = cap;
	p->next = NULL;
	return p;
}

int stream_buffer_add(struct stream_buffer *w, const char *bytes, size_t n, int64_t expected)
{
	struct segment *last = w->last;
	size_t fits = last != NULL ? last->cap - last->len : 0;
	if (fits > n)
		fits = n;
	struct segment *more = NULL;
	if (n > fits && (more = piece_new(w, n - fits, expected)) == NULL)
		return -1;
	if (fits > 0) {
		memcpy(last->bytes + last->len, bytes, fits);
		last->len += fits;
	}
	w->end += (int64_t)fits;
	if (more != NULL) {
		memcpy(more->bytes, bytes + fits, n - fits);
		more->len = n - fits;
		more->at = w->end;
		w->end += (int64_t)more->len;
		if (last != NULL)
			last->next = more;
		else
			w->first = more;
		w->last = more;
	}
	return 0;
}

struct span stream_buffer_peek(const struct stream_buffer *w, int64_t at, struct segment **piece)
{
	if (at < w->start || at >= w->end)
		return span_make(NULL, 0);
	struct segment *p = w->first;
	while (p->at + (int64_t)p->len <= at)
		p = p->next;
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	*piece = p;
	size_t skip = (size_t)(at - p->at);
	return span_make(p->bytes + skip, p->len - skip);
}

void segment_drop(struct segment *p)
{
	if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		free(p);
}

void stream_buffer_forget(struct stream_buffer *w, int64_t at)
{
	while (w->first != NULL && w->first->at + (int64_t)w->first->len <= at) {
		struct segment *p = w->first;
		w->first = p->next;
		if (w->first == NULL)
			w->last = NULL;
		w->start = p->at + (int64_t)p->len;
		segment_drop(p);
	}
}

void stream_buffer_fini(struct stream_buffer *w)
{
	stream_buffer_forget(w, INT64_MAX);
}
