#include "base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct owner owner_of(int dir_fd)
{
	struct stat s;
	struct owner o = {.uid = geteuid(), .gid = getegid(), .folder = 0755, .file = 0644, .secret = 0600};
	if (fstat(dir_fd, &s) != 0)
		return o;
	if (geteuid() == 0 && s.st_uid != 0) {
		o.gives = true;
		o.uid = s.st_uid;
		o.gid = s.st_gid;
	}
	if (s.st_mode & S_IWGRP) {
		o.folder |= 0020;
		o.file |= 0020;
		o.secret |= 0060;
	}
	return o;
}

int owner_make_folder(const struct owner *o, int dir_fd, const char *name)
{
	struct stat s;
	if (mkdirat(dir_fd, name, o->folder) < 0)
		return errno == EEXIST ? 0 : -1;
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int rc = fd >= 0 && fstat(fd, &s) == 0 ? 0 : -1;
	/* Changes the permissions only: a set-group-ID bit from the parent directory stays. */
	if (rc == 0 && o->gives)
		rc = fchown(fd, o->uid, o->gid);
	if (rc == 0 && (s.st_mode & 0777) != o->folder)
		rc = fchmod(fd, (s.st_mode & S_ISGID) | o->folder);
	if (fd >= 0)
		close(fd);
	return rc;
}

int owner_make_file(const struct owner *o, int dir_fd, const char *name)
{
	if (mknodat(dir_fd, name, S_IFREG | o->file, 0) < 0)
		return errno == EEXIST ? 0 : -1;
	if (o->gives && fchownat(dir_fd, name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	struct stat s;
	if (fstatat(dir_fd, name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(s.st_mode) && (s.st_mode & 0777) != o->file)
		return fchmodat(dir_fd, name, o->file, 0);
	return 0;
}

int owner_open(const struct owner *o, int dir_fd, const char *name, int flags, mode_t mode)
{
	bool may_be_new = (flags & O_CREAT) != 0, must_be_new = (flags & O_EXCL) != 0;
	int fd = -1;
	flags |= O_CLOEXEC | O_NOFOLLOW;
	if (may_be_new && !must_be_new) { /* an existing file keeps its owner and mode */
		fd = openat(dir_fd, name, flags & ~O_CREAT);
		if (fd >= 0 || errno != ENOENT)
			return fd;
		flags |= O_EXCL;
	}
	fd = openat(dir_fd, name, flags, mode);
	if (fd < 0 && may_be_new && !must_be_new && errno == EEXIST) /* another process was faster */
		fd = openat(dir_fd, name, flags & ~(O_CREAT | O_EXCL));
	struct stat s;
	if (fd < 0 || !may_be_new || (!o->gives && fstat(fd, &s) == 0 && (s.st_mode & 0777) == mode))
		return fd;
	if ((!o->gives || fchown(fd, o->uid, o->gid) == 0) && fchmod(fd, mode) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
