/*
 * A path may hold any byte, so it is given to SQLite as an escaped URI, to which parameters can be added.
 *
 * There is no mmap: a disk error under a mapped file would be a signal instead of an error code (invariant 6).
 */
#include "index/db_file.h"

#include "base/buf.h"
#include "base/owner.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void configure_sqlite(void)
{
	/* SQLite's memory statistics take one lock for all threads, and nobody reads them. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_initialize();
}

char *index_path(const char *dir, const char *name)
{
	char *path = NULL;
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static char *uri_of(const char *path, const char *parameters)
{
	struct buf b;
	buf_init(&b, BUF_LINE);
	buf_adds(&b, path[0] == '/' ? "file://" : "file:"); /* with an empty authority, because "//x" alone would name
							       one */
	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '%' || *p == '?' || *p == '#')
			buf_addf(&b, "%%%02X", (unsigned)*p);
		else
			buf_addc(&b, *p);
	}
	buf_adds(&b, parameters);
	char *uri = b.failed ? NULL : buf_take(&b);
	buf_fini(&b);
	return uri;
}

int index_connect(const char *dir, int flags, bool immutable, sqlite3 **db)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, configure_sqlite);

	*db = NULL;
	int rc = SQLITE_NOMEM;
	char *path = index_path(dir, "index.db");
	char *uri = path != NULL ? uri_of(path, immutable ? "?immutable=1" : "") : NULL;
	if (uri == NULL)
		goto out;
	rc = sqlite3_open_v2(uri, db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK)
		goto out;
	/* -wal and -shm stay when the last connection closes, so that a stopped cache can be read without write
	 * permission. */
	int one = 1;
	sqlite3_file_control(*db, "main", SQLITE_FCNTL_PERSIST_WAL, &one);
	sqlite3_busy_timeout(*db, 1000);
out:
	free(uri);
	free(path);
	return rc;
}

/* Without write permission, a stopped cache whose -shm is gone opens only as an immutable file. Nobody else can be
 * using it. */
int index_connect_to_read(const char *dir, sqlite3 **db)
{
	int rc = index_connect(dir, SQLITE_OPEN_READONLY, false, db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
	if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) {
		sqlite3_close(*db);
		rc = index_connect(dir, SQLITE_OPEN_READONLY, true, db);
	}
	if (rc == SQLITE_OK)
		sqlite3_busy_timeout(*db, 5000);
	return rc;
}

bool index_is_damage(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

int index_make_file(const char *dir, const char *name)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -1;
	struct owner owner = owner_of(dir_fd);
	int rc = owner_make_file(&owner, dir_fd, name);
	close(dir_fd);
	return rc;
}

void index_mark_damaged(const char *dir)
{
	index_make_file(dir, "damaged");
}
