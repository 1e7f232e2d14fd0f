/*
 * shared_bytes: bytes that several owners hold, freed by the last one. The bytes are written before they are shared.
 * Any thread.
 */
#ifndef CURLEW_BASE_SHARED_BYTES_H
#define CURLEW_BASE_SHARED_BYTES_H

#include <stdatomic.h>
#include <stddef.h>

struct shared_bytes {
	atomic_uint owners;
	size_t len;
	char at[];
};

/* len bytes, not initialised, with one owner. NULL: out of memory. */
struct shared_bytes *shared_bytes_new(size_t len);
/* One more owner. Returns its argument. */
struct shared_bytes *shared_bytes_keep(struct shared_bytes *);
/* One owner less. NULL is fine. */
void shared_bytes_drop(struct shared_bytes *);

#endif
