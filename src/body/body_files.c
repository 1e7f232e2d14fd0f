#include "body/body_files.h"

#include "base/stats.h"
#include "body/bodies_struct.h"
#include "index/body_name.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int bodies_open_file(struct bodies *b, const char *name, int64_t bytes)
{
	if (body_number(name) < 0)
		return -1;
	int fd = openat(b->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? -1 : -2;
	struct stat s;
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size == bytes)
		return fd;
	close(fd);
	return -1;
}

int bodies_unlink(struct bodies *b, const char *name)
{
	if (body_number(name) < 0) {
		errno = EINVAL;
		return -1;
	}
	if (unlinkat(b->dir_fd, name, 0) < 0)
		return errno != ENOENT && errno != ENOTDIR ? -1 : 0;
	stats_add(STATS_BODIES_DROPPED, 1);
	return 0;
}
