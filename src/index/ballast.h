/*
 * ballast: a file in the cache that only takes room, so that on a disk that others have filled to the last byte there
 * is some to be had. Rows can only be deleted by writing, and files only after their rows: without it a full disk would
 * stay full. Any thread, any process.
 */
#ifndef CURLEW_INDEX_BALLAST_H
#define CURLEW_INDEX_BALLAST_H

#include <stdbool.h>

/* Makes it where it is missing or was dropped, and the disk has plenty. */
void ballast_fill(int dir_fd);
/* Gives its room back where the disk is full. True when that was some. */
bool ballast_drop(int dir_fd);

#endif
