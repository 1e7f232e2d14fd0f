/*
 * ballast: a file in the cache that only takes room. When other programs have filled the disk to the last byte,
 * removing it gives room to work with: deleting a row writes to the WAL, and a body file goes only after its row.
 * Without it a full disk would stay full. Any thread of any process may call.
 */
#ifndef CURLEW_INDEX_BALLAST_H
#define CURLEW_INDEX_BALLAST_H

#include <stdbool.h>

/* Makes the file where it is missing or was dropped, if the disk has plenty of room. */
void ballast_fill(int dir_fd);
/* Removes the file where the disk is full. True: that freed some room. */
bool ballast_drop(int dir_fd);

#endif
