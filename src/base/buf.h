/*
 * buf: a growable buffer that cannot be made without a ceiling.
 *
 * A buf grows by doubling, up to its ceiling. Every adding function returns 0, or -1 when the ceiling is met or memory
 * failed. The content is then unchanged and `failed` stays set, so a caller may add many times and check once. The data
 * is always followed by a NUL that is not counted, so buf_str() costs nothing. One buf belongs to one thread at a time.
 */
#ifndef CURLEW_BASE_BUF_H
#define CURLEW_BASE_BUF_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every ceiling of the program, in bytes, so that they can be reviewed together. */
enum {
	BUF_LINE = 16 << 10,  /* a diagnostic, a reason, a path */
	BUF_HEAD = 128 << 10, /* one message head, with the fields that curlew adds */
	BUF_VARY = 32 << 10,  /* a variant text */
	BUF_PAGE = 4 << 20,   /* a page of curlew itself, the output of a verb */
	BUF_FILE = 1 << 20,   /* a configuration file, an embedded text */
	BUF_LOG = 1 << 20     /* access log lines that are not written yet */
};

struct buf {
	char *data; /* NULL until the first byte */
	size_t len;
	size_t cap;
	size_t ceiling;
	bool failed;
};

void buf_init(struct buf *, size_t ceiling);
/* Frees the bytes. The buf may be used again with the same ceiling. */
void buf_fini(struct buf *);
/* Empties the buf and clears `failed`. Keeps the memory. */
void buf_clear(struct buf *);

int buf_add(struct buf *, const void *bytes, size_t n);
int buf_adds(struct buf *, const char *text);
int buf_addspan(struct buf *, struct span);
int buf_addc(struct buf *, char c);
int buf_addi(struct buf *, int64_t); /* in decimal */
int buf_addf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Space for n more bytes after the content. The caller writes there, then calls buf_grew(). NULL: see buf_add(). */
char *buf_room(struct buf *, size_t n);
void buf_grew(struct buf *, size_t n);
/* Drops n bytes from the front (moves the rest). */
void buf_consume(struct buf *, size_t n);

/* The content as a C string, never NULL; valid until the next change. */
const char *buf_str(const struct buf *);
struct span buf_span(const struct buf *);
/* Gives the content away as a malloc()ed C string, and empties the buf. NULL: out of memory. */
char *buf_take(struct buf *);

#endif
