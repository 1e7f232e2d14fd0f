/*
 * db_file: index.db as a file: its path, opening it with SQLite, and the mark that it is damaged. Any thread may call.
 */
#ifndef CURLEW_INDEX_DB_FILE_H
#define CURLEW_INDEX_DB_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

/* dir "/" name. The caller frees it. NULL: no memory. */
char *index_path(const char *dir, const char *name);
/* Opens index.db with these flags, with a busy timeout of one second; immutable: SQLite looks at no other file and
 * takes no lock. An SQLite result code. *db may be set also after an error (for its message); the caller closes it. */
int index_connect(const char *dir, int flags, bool immutable, sqlite3 **db);
/* The same for reading only, also where nothing can be written. Waits for locks for up to five seconds. */
int index_connect_to_read(const char *dir, sqlite3 **db);

/* Does this SQLite result code say that the file is damaged or is no database? */
bool index_is_damage(int rc);
/* Makes an empty file in dir, with the owner and the mode of the cache (owner.h). A file that exists stays, and is not
 * opened (invariant 9). 0, or -1 with errno. */
int index_make_file(const char *dir, const char *name);
/* Leaves the mark $CACHE/damaged for the next index_setup(). */
void index_mark_damaged(const char *dir);

#endif
