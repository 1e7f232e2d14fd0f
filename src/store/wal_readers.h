/* wal_readers: which processes have a read transaction on the index open? For a message that names the cause. */
#ifndef CURLEW_STORE_WAL_READERS_H
#define CURLEW_STORE_WAL_READERS_H

#include <stddef.h>

/* Writes "process 4711 (sqlite3)", several separated by commas, or that it cannot be found out. Other processes
 * only. */
void wal_readers_name(const char *dir, char *who, size_t size);

#endif
