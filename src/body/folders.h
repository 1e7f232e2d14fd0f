/*
 * folders: body/ with its 256 folders. Are they there, are they the right ones, and can they be written? Any thread may
 * call, unless stated otherwise.
 */
#ifndef CURLEW_BODY_FOLDERS_H
#define CURLEW_BODY_FOLDERS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct bodies;
struct index;

/* Makes body/, spool/ and the mark, for bodies_open(). 0, or -1 with errno. */
int bodies_make_folders(struct bodies *, struct index *);
/* Is body/ there, and does it belong to the rows? If not, a missing file says nothing about its row. */
bool bodies_present(struct bodies *);
/* The same without a struct bodies: body/ is marked, or no row has a file, or the file of a row is there. */
bool body_is_the_one(int dir_fd, struct index *);
/* Explains that body/ is not the right one, and what to do. */
void body_describe_absence(const char *dir, struct buf *why);
/* A descriptor on body/, which may be on another disk than the cache directory. The caller closes it. -1 with errno. */
int bodies_open_disk(struct bodies *);

/* Makes the folder of a name, unless body/ is absent. 0, or -1 with errno. */
int body_make_folder(struct bodies *, const char *name);
/* Are names in the folder of this number skipped? */
bool body_avoids(const struct bodies *, int64_t number);
/* After an error (errno) in the folder of that number. True: the folder is skipped from now on, and a name in another
 * folder may do better. */
bool body_avoid_folder(struct bodies *, int64_t number);
/* The folders that cannot be written, separated by spaces. */
void bodies_list_avoided(struct bodies *, struct buf *names);

/* A body could not be written. */
void body_note_failure(struct bodies *);
/* Did the last write fail, and has nothing been written since? */
bool bodies_failing(struct bodies *);
/* Tries again what failed. closely: also looks for folders that cannot be written, before a body meets one. */
void bodies_probe(struct bodies *, bool closely);

#endif
