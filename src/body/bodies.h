/*
 * bodies: one process's use of body/ and spool/: its bodies in flight and the names it has leased.
 *
 * The number in a name (body_name.h) comes from a lease in the index (table lease). No number is used twice.
 */
#ifndef CURLEW_BODY_BODIES_H
#define CURLEW_BODY_BODIES_H

#include "body/file_lock.h"
#include "index/index.h"
#include "index/writer.h"

struct bodies;

/* Makes body/ and spool/ where they are missing. Marks body/ as the right one, unless it seems to be absent
 * (folders.c); the index is only read within this call. The descriptor, lock, writer and boot stay the caller's and
 * must outlive the struct. NULL with errno. */
struct bodies *bodies_open(int dir_fd, struct file_lock *, struct writer *, struct index *, const char *boot);
/* Returns the unused names of the leases, through the writer. No body may be in flight. A lease that comes later, or
 * that the writer cannot close, is left to the sweep of another process. */
void bodies_return_leases(struct bodies *);
/* After writer_stop(). NULL is fine. */
void bodies_free(struct bodies *);

#endif
