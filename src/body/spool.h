/*
 * spool: the files in spool/, where a body is written before it has a name. The file's name holds the number of its
 * process (file_lock_owner).
 */
#ifndef CURLEW_BODY_SPOOL_H
#define CURLEW_BODY_SPOOL_H

#include <stdint.h>

struct bodies;

#define SPOOL_NAME_SIZE 48

/* A new name. Any thread. */
void spool_name(struct bodies *, char name[SPOOL_NAME_SIZE]);
/* Removes the files of dead processes. */
void spool_sweep(struct bodies *);
/* Bytes in the files of other processes. */
int64_t spool_bytes_elsewhere(struct bodies *);

#endif
