/* index_backup: copies the index of one cache directory to another, as of one moment. */
#ifndef CURLEW_INDEX_INDEX_BACKUP_H
#define CURLEW_INDEX_INDEX_BACKUP_H

#include "base/buf.h"

/* Copies the index of from_dir to to_dir, which must be empty; from_dir may be written meanwhile. boot: the running
 * boot, whose bodies are whole (the caller syncs the copies). 0, or -1 with why. */
int index_backup(const char *from_dir, const char *to_dir, const char *boot, struct buf *why);

#endif
