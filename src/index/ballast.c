#include "index/ballast.h"

#include "base/owner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	SIZE = 4 << 20,      /* some thousand pages of the WAL */
	PLENTY = 16,         /* free space of this many times its size: then it is not missed */
	FULL_BELOW = 1 << 20 /* free bytes */
};

static long long free_bytes(int dir_fd)
{
	struct statvfs disk;
	return fstatvfs(dir_fd, &disk) == 0 ? (long long)disk.f_bavail * (long long)disk.f_frsize : -1;
}

void ballast_fill(int dir_fd)
{
	struct stat s;
	long long left = free_bytes(dir_fd), size = left >= (long long)PLENTY * SIZE ? SIZE : SIZE / 4;
	if ((fstatat(dir_fd, "ballast", &s, AT_SYMLINK_NOFOLLOW) == 0 && s.st_size > 0) || left < PLENTY * size)
		return;
	struct owner owner = owner_of(dir_fd);
	int fd = owner_open(&owner, dir_fd, "ballast", O_WRONLY | O_CREAT, owner.secret);
	if (fd < 0)
		return;
	if (fallocate(fd, 0, 0, size) != 0) /* where the file system does not support it, there is no ballast */
		unlinkat(dir_fd, "ballast", 0);
	close(fd);
}

bool ballast_drop(int dir_fd)
{
	struct stat s;
	long long left = free_bytes(dir_fd);
	return left >= 0 && left < FULL_BELOW && fstatat(dir_fd, "ballast", &s, AT_SYMLINK_NOFOLLOW) == 0 &&
	       s.st_blocks > 0 && unlinkat(dir_fd, "ballast", 0) == 0;
}
