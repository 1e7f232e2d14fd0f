/*
 * body: one body on its way into its file. store.h's body_begin() makes one.
 *
 * Writing and sealing happen on the disk thread only; reading while it grows is for all. The file is hashed while it is
 * written.
 */
#ifndef CURLEW_BODY_BODY_H
#define CURLEW_BODY_BODY_H

#include <stddef.h>
#include <stdint.h>

struct body;

/* Appends. 0, or -1: trouble, logged; the body may only be freed then. */
int body_write(struct body *, const void *bytes, size_t n);
/* A descriptor for pread() by any thread while the body grows; the body's own, valid until body_free(). */
int body_fd(const struct body *);
/* Written so far. Any thread. */
int64_t body_bytes(const struct body *);
/* Ends writing: the file gets its place beneath body/ and never changes again. 0, or -1. */
int body_seal(struct body *);
/* Any thread. Unlinks the file unless a row came to own it (store_put took it over). NULL is fine. */
void body_free(struct body *);

#endif
