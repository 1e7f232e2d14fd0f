/*
 * body_files: body files as the other files of the store need them; body.h has what the rest of the program sees.
 *
 * struct bodies is one process's hold on the directory: its names and its bodies in flight. The numbers in names
 * (body_name.h) are taken from the index in leases (table lease), one number once.
 */
#ifndef CURLEW_BODY_BODY_FILES_H
#define CURLEW_BODY_BODY_FILES_H

#include "body/body.h"
#include "body/file_lock.h"
#include "index/body_name.h"
#include "index/writer.h"

struct bodies;

/* Makes body/ and spool/ where they are missing, and marks body/ as the one unless it seems to be away (body_place.c);
 * the index is asked only within this call. NULL with errno. The descriptor, lock, writer and boot stay the caller's
 * and must outlive it. */
struct bodies *bodies_open(int dir_fd, struct file_lock *, struct writer *, struct index *, const char *boot);
/* Gives back what is left of the leases, through the writer. No body may be in flight. (A lease that comes later, or
 * that the writer cannot settle, is left to the sweep of others.) Then bodies_free(), after writer_stop(). */
void bodies_retire(struct bodies *);
void bodies_free(struct bodies *);

/* body_begin() of store.h. Disk thread. */
struct body *bodies_begin(struct bodies *, bool whole);
/* The place a sealed body has; NULL when it is empty and has none. */
const char *body_file(const struct body *);
const unsigned char *body_sha256(const struct body *);
/* A row owns the file now: body_free() leaves it. */
void body_give(struct body *);

/* --- names --- */

/* The boot of the machine in which names are leased now. */
void body_boot(char *boot, size_t size);

/* --- files of others, by name; every one of these refuses names of another shape --- */

/* A descriptor on a regular file of that size. -1: it is missing or of another size; -2: that could not be found out
 * (errno). */
int bodies_open_file(struct bodies *, const char *name, int64_t bytes);
/* Is that the file's content? Reads all of it. */
bool bodies_verify(struct bodies *, int fd, const unsigned char sha256[32]);
/* 0 when it is gone now (also when it was before), -1 with errno. */
int bodies_unlink(struct bodies *, const char *name);
/* Is body/ itself there, and the one that the rows speak of? When not, it says nothing about a row that its file is
 * missing. Any thread. */
bool bodies_present(struct bodies *);
/* The same without a store: marked, or no row has a file, or the file of one is there. */
bool body_is_the_one(int dir_fd, struct index *);
/* The mark alone. */
bool body_marked(int dir_fd);
/* Why not, and what to do. */
void body_say_absence(const char *dir, struct buf *why);

/* --- the keeper's --- */

/* Has the last write failed, and can it still not be done? Any thread. */
bool bodies_failing(struct bodies *);
/* Tries again what failed. Closely: looks also for folders that cannot be written, before a body meets one. */
void bodies_look_again(struct bodies *, bool closely);
/* The folders that cannot be written, with spaces between them. */
void bodies_list_avoided(struct bodies *, struct buf *names);
/* Bytes on the disk of bodies in flight, of this process. Any thread. */
int64_t bodies_in_flight(struct bodies *);
/* The same of other processes, as far as they are in spool/. */
int64_t bodies_in_flight_elsewhere(struct bodies *);
/* A descriptor on body/, which may be on another disk than the cache directory. The caller closes it. -1 with errno. */
int bodies_open_disk(struct bodies *);
/* Was any body sealed since the last call? */
bool bodies_fresh(struct bodies *);
/* For each lease of ours: below which name everything is written and may be recorded as synced, once a sync has been
 * made after this call. Up to max; their number. */
struct bodies_mark {
	int64_t lease_id, below;
};
int bodies_marks(struct bodies *, struct bodies_mark *, int max);
/* Settles leases that are used up and of whose bodies none is undecided any more. */
void bodies_settle(struct bodies *);
/* Removes what dead processes left in spool/. */
void bodies_sweep_spool(struct bodies *);

#endif
