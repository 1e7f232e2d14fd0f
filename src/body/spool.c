#include "body/spool.h"

#include "base/stats.h"
#include "body/bodies_struct.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_name(struct bodies *b, char name[SPOOL_NAME_SIZE])
{
	snprintf(name, SPOOL_NAME_SIZE, "spool/%llx.%llx", (unsigned long long)file_lock_owner(b->lock),
	    (unsigned long long)atomic_fetch_add(&b->spooled, 1));
}

/* The number of the process that a file in spool/ belongs to; 0: it is not a file of curlew. */
static int64_t spooler(const char *name)
{
	unsigned long long owner, count;
	int end = 0;
	bool ours = sscanf(name, "%llx.%llx%n", &owner, &count, &end) == 2 && name[end] == '\0' && owner >> 62 == 0;
	return ours ? (int64_t)owner : 0;
}

static DIR *open_spool(struct bodies *b, int *fd)
{
	*fd = openat(b->dir_fd, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = *fd >= 0 ? fdopendir(*fd) : NULL;
	if (d == NULL && *fd >= 0)
		close(*fd);
	return d;
}

void spool_sweep(struct bodies *b)
{
	int fd;
	struct dirent *e;
	DIR *d = open_spool(b, &fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		int64_t owner = spooler(e->d_name);
		if (owner != 0 && !file_lock_alive(b->lock, owner) && unlinkat(fd, e->d_name, 0) == 0)
			stats_add(STATS_BODIES_DROPPED, 1);
	}
	if (d != NULL)
		closedir(d);
}

int64_t spool_bytes_elsewhere(struct bodies *b)
{
	int fd;
	int64_t bytes = 0;
	struct stat s;
	struct dirent *e;
	DIR *d = open_spool(b, &fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		int64_t owner = spooler(e->d_name);
		if (owner != 0 && owner != file_lock_owner(b->lock) &&
		    fstatat(fd, e->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += s.st_size;
	}
	if (d != NULL)
		closedir(d);
	return bytes;
}
