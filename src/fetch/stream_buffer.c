/* A list of segments. The first one fits a small body exactly; later ones are large enough that writing one to disk is
 * worth a system call. */
#include "fetch/stream_buffer.h"

#include <stdlib.h>
#include <string.h>

enum { SEGMENT_BYTES = 64 << 10, SEGMENT_LEAST = 4 << 10 };

/* A segment for n bytes more, with room to append. NULL: no memory. */
static struct stream_buffer_segment *segment_new(const struct stream_buffer *b, size_t n, int64_t expected)
{
	size_t cap = SEGMENT_BYTES;
	if (b->end == 0 && expected >= 0 && expected < SEGMENT_BYTES)
		cap = (size_t)expected;
	else if (b->end == 0 && n < SEGMENT_LEAST)
		cap = SEGMENT_LEAST;
	if (cap < n)
		cap = n;
	struct stream_buffer_segment *s = malloc(sizeof *s + cap);
	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	s->at = b->end;
	s->len = 0;
	s->cap = cap;
	s->next = NULL;
	return s;
}

int stream_buffer_add(struct stream_buffer *b, const char *bytes, size_t n, int64_t expected)
{
	struct stream_buffer_segment *last = b->last;
	size_t fits = last != NULL ? last->cap - last->len : 0;
	if (fits > n)
		fits = n;
	struct stream_buffer_segment *more = NULL;
	/* Before anything is written: a failure must not leave half of the bytes in the buffer. */
	if (n > fits && (more = segment_new(b, n - fits, expected)) == NULL)
		return -1;
	if (fits > 0) { /* readers may hold this segment: they read only up to the len they saw */
		memcpy(last->bytes + last->len, bytes, fits);
		last->len += fits;
	}
	b->end += (int64_t)fits;
	if (more != NULL) {
		memcpy(more->bytes, bytes + fits, n - fits);
		more->len = n - fits;
		more->at = b->end;
		b->end += (int64_t)more->len;
		if (last != NULL)
			last->next = more;
		else
			b->first = more;
		b->last = more;
	}
	return 0;
}

struct span stream_buffer_peek(const struct stream_buffer *b, int64_t at, struct stream_buffer_segment **segment)
{
	if (at < b->start || at >= b->end)
		return span_make(NULL, 0);
	struct stream_buffer_segment *s = b->first;
	while (s->at + (int64_t)s->len <= at)
		s = s->next;
	/* The buffer's own reference is held under the lock, so the count cannot be 0 here. */
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	*segment = s;
	size_t skip = (size_t)(at - s->at);
	return span_make(s->bytes + skip, s->len - skip);
}

void stream_buffer_drop(struct stream_buffer_segment *s)
{
	/* Release and acquire: every read of the bytes by other threads comes before the free. */
	if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		free(s);
}

void stream_buffer_forget(struct stream_buffer *b, int64_t at)
{
	/* Whole segments only: a part of one cannot be freed. Readers may still hold what leaves the list. */
	while (b->first != NULL && b->first->at + (int64_t)b->first->len <= at) {
		struct stream_buffer_segment *s = b->first;
		b->first = s->next;
		if (b->first == NULL)
			b->last = NULL;
		b->start = s->at + (int64_t)s->len;
		stream_buffer_drop(s);
	}
}

void stream_buffer_fini(struct stream_buffer *b)
{
	stream_buffer_forget(b, INT64_MAX);
}
