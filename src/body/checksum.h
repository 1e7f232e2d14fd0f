/* checksum: the SHA-256 of a body. One thread at a time uses a struct checksum. */
#ifndef CURLEW_BODY_CHECKSUM_H
#define CURLEW_BODY_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checksum;

/* NULL: no memory. */
struct checksum *checksum_new(void);
/* 0 or -1. */
int checksum_add(struct checksum *, const void *bytes, size_t n);
/* After this only checksum_free() is allowed. 0 or -1. */
int checksum_end(struct checksum *, unsigned char sha256[32]);
/* NULL is fine. */
void checksum_free(struct checksum *);

/* Reads the whole file. Is that its SHA-256? False also where it cannot be read. read_bytes: how much was read;
 * may be NULL. Any
 * thread may call. */
bool checksum_matches(int fd, const unsigned char sha256[32], int64_t *read_bytes);

#endif
