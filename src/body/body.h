/*
 * body: one body in flight, on its way into its file.
 *
 * One thread writes and seals a body: the disk thread, or the writer thread if the body is small and whole. Any thread
 * may read it while it grows. The SHA-256 is computed while it is written.
 */
#ifndef CURLEW_BODY_BODY_H
#define CURLEW_BODY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body;
struct bodies;

/* A new body in spool/, or at once in its final place (whole: it will be written in one go, invariant 1). NULL: an
 * error, logged. The disk thread; the writer thread with whole set, after bodies_have_name(). */
struct body *bodies_begin(struct bodies *, bool whole);
/* False: no name is left, and the writer must commit an urgent operation before one comes. Writer thread. */
bool bodies_have_name(struct bodies *);
/* Appends. 0, or -1: an error, logged; then the body may only be freed. The thread that began it. */
int body_write(struct body *, const void *bytes, size_t n);
/* Ends writing: the file is in its place beneath body/ and never changes again. 0, or -1, logged. The thread
 * that began it. */
int body_seal(struct body *);
/* Closes the descriptor of a sealed body that nobody reads from its file. The thread that began it. */
void body_close(struct body *);
/* Unlinks the file, unless a row owns it. Any thread. NULL is fine. */
void body_free(struct body *);

/* A descriptor for pread(), also while the body grows. It is valid until body_close() or
 * body_free(). Any thread. */
int body_fd(const struct body *);
/* Bytes written so far. Any thread. */
int64_t body_bytes(const struct body *);
/* The path of a sealed body, relative to the cache directory; NULL when it is empty and has no file. */
const char *body_file(const struct body *);
/* Of a sealed body. */
const unsigned char *body_sha256(const struct body *);
/* A row owns the file from now on, so body_free() leaves it. Writer thread. */
void body_set_owned(struct body *);
/* Bytes of this process's bodies in flight that are on the disk. Any thread. */
int64_t bodies_in_flight(struct bodies *);

#endif
