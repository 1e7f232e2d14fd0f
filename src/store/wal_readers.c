/* A reader holds a shared lock on one of five bytes of index.db-shm (WAL_READ_LOCK in the description of the file
 * format). We must not open that file (invariant 9), but /proc/locks lists all locks of this pid namespace by inode. */
#include "store/wal_readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_LOCKS_FIRST 123
#define READ_LOCKS_LAST 127

static void name_process(long pid, char *name, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%ld/comm", pid);
	FILE *f = fopen(path, "re");
	if (f == NULL || fgets(name, (int)size, f) == NULL)
		snprintf(name, size, "?");
	name[strcspn(name, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
}

void wal_readers_name(const char *dir, char *who, size_t size)
{
	char line[256], path[4096];
	struct stat s;
	size_t used = 0;
	long named = 0;
	who[0] = '\0';
	snprintf(path, sizeof path, "%s/index.db-shm", dir);
	FILE *f = stat(path, &s) == 0 ? fopen("/proc/locks", "re") : NULL;
	while (f != NULL && fgets(line, sizeof line, f) != NULL && used < size) {
		/* 1: POSIX  ADVISORY  READ 4711 fe:00:131077 124 124 */
		long pid;
		unsigned long long inode, first, last;
		if (sscanf(line, "%*s POSIX %*s READ %ld %*x:%*x:%llu %llu %llu", &pid, &inode, &first, &last) != 4)
			continue;
		if (inode != s.st_ino || first > READ_LOCKS_LAST || last < READ_LOCKS_FIRST || pid == getpid() ||
		    pid == named)
			continue;
		char name[64];
		name_process(pid, name, sizeof name);
		int n = snprintf(who + used, size - used, "%sprocess %ld (%s)", used > 0 ? ", " : "", pid, name);
		used += n > 0 ? (size_t)n : 0;
		named = pid;
	}
	if (f != NULL)
		fclose(f);
	if (who[0] == '\0')
		snprintf(who, size, "a process that cannot be identified from here (of another container or user?)");
}
