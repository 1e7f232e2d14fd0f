/*
 * buf: growable bytes that cannot be made without a ceiling.
 *
 * A buf grows by doubling up to its ceiling and then refuses. Every adding function returns 0, or -1
 * when the ceiling or memory stopped it; then `failed` stays set and the content is what it was, so
 * a caller may add many times and look once. One buf belongs to one thread at a time. The data is
 * always followed by a NUL that is not counted, so buf_str() is free.
 */
#ifndef CURLEW_BASE_BUF_H
#define CURLEW_BASE_BUF_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

/* Every ceiling of the program, in bytes, so that they can be reviewed together. */
enum {
	BUF_LINE = 16 << 10,  /* one line made by us: a diagnostic, a reason, a path */
	BUF_HEAD = 128 << 10, /* one message head with what we add to it */
	BUF_VARY = 32 << 10,  /* a variant's names and values */
	BUF_PAGE = 4 << 20,   /* a page of our own, a table printed by a verb */
	BUF_FILE = 1 << 20,   /* a configuration file, an embedded text */
	BUF_LOG = 1 << 20     /* log lines on their way to the disk */
};

struct buf {
	char *data; /* NULL until the first byte */
	size_t len;
	size_t cap;
	size_t ceiling;
	bool failed;
};

void buf_init(struct buf *, size_t ceiling);
/* Frees the bytes; the buf may be used again with the same ceiling. */
void buf_fini(struct buf *);
/* Forgets the content and the failure, keeps the memory. */
void buf_clear(struct buf *);

int buf_add(struct buf *, const void *bytes, size_t n);
int buf_adds(struct buf *, const char *text);
int buf_addspan(struct buf *, struct span);
int buf_addc(struct buf *, char c);
int buf_addf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for n more bytes behind the content, to be claimed with buf_grew(); NULL when refused. */
char *buf_room(struct buf *, size_t n);
void buf_grew(struct buf *, size_t n);
/* Drops n bytes from the front (moves the rest). */
void buf_consume(struct buf *, size_t n);

/* The content as a C string, never NULL; valid until the next change. */
const char *buf_str(const struct buf *);
struct span buf_span(const struct buf *);
/* The content as a malloc()ed C string that is now the caller's; the buf is empty. NULL: no memory. */
char *buf_take(struct buf *);

#endif
