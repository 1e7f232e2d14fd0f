/*
 * A file is first found without being opened (O_PATH). Its real path and its identity (device and inode) then decide
 * whether it is opened. The order matters: opening and closing index.db here would drop SQLite's locks on it in the
 * whole process (invariant 9), and an O_PATH descriptor drops none.
 *
 * The real path is read from /proc/self/fd, so it contains no symbolic links. Its directories are compared with those
 * of the cache by identity, which bind mounts and file systems without letter case cannot deceive.
 */
#include "proxy/root.h"

#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* True of the cache directory, its subdirectories, and the files that belong to SQLite or to a lock. */
static bool is_of_cache(const struct root *r, const struct stat *st)
{
	static const char *const names[] = {
	    ".", "body", "spool", "index.db", "index.db-wal", "index.db-shm", "index.db-journal", "lock"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct stat part;
		if (fstatat(r->cache_fd, names[i], &part, 0) == 0 && same_file(&part, st))
			return true;
	}
	return false;
}

/* True when the directory of --root, or one above it, belongs to the cache. */
static bool lies_in_cache(const struct root *r)
{
	struct stat st, above;
	int fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);
	bool in_cache = fd < 0 || fstat(fd, &st) != 0 || is_of_cache(r, &st);
	while (!in_cache) {
		int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = up;
		if (fd < 0 || fstat(fd, &above) != 0 || same_file(&above, &st))
			break;
		st = above;
		in_cache = is_of_cache(r, &st);
	}
	if (fd >= 0)
		close(fd);
	return in_cache;
}

/* The real path of an open file. 0, or -1. */
static int real_path(int fd, char path[PATH_MAX])
{
	char link[40];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_MAX - 1);
	if (n <= 0 || n == PATH_MAX - 1 || path[0] != '/')
		return -1;
	path[n] = '\0';
	return 0;
}

int root_open(struct root *r, const char *dir, const char *cache_dir, struct buf *why)
{
	char path[PATH_MAX];
	*r = (struct root){.fd = -1, .cache_fd = -1};
	if (dir == NULL)
		return 0;
	r->fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->fd < 0) {
		buf_addf(why, "--root %s: %s (name a directory that exists)", dir, strerror(errno));
		return -1;
	}
	if (real_path(r->fd, path) != 0) {
		buf_addf(why, "--root %s: /proc/self/fd cannot be read (mount /proc)", dir);
		return -1;
	}
	r->cache_fd = open(cache_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->cache_fd < 0) {
		buf_addf(why, "--cache %s: %s (name a directory that exists)", cache_dir, strerror(errno));
		return -1;
	}
	if (lies_in_cache(r)) {
		buf_addf(why, "--root %s: this is the cache directory or lies in it (give another directory)", dir);
		return -1;
	}
	return 0;
}

void root_close(struct root *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->cache_fd >= 0)
		close(r->cache_fd);
	*r = (struct root){.fd = -1, .cache_fd = -1};
}

/* True when a segment of the path starts with a dot and is not ".well-known" (RFC 8615). */
static bool has_dot_name(const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");
		if (path[0] == '.' && !span_is(span_make(path, n), ".well-known"))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

/* Decides for a file that was found: fd is its O_PATH descriptor. */
static bool may_serve(const struct root *r, int fd, const struct stat *st)
{
	char root[PATH_MAX], path[PATH_MAX];
	if (is_of_cache(r, st) || real_path(r->fd, root) != 0 || real_path(fd, path) != 0)
		return false;
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return false;
	char *beneath = path + n + (path[n] == '/');
	if (has_dot_name(beneath))
		return false;
	for (char *slash = beneath; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		struct stat above;
		*slash = '\0';
		if (fstatat(r->fd, beneath, &above, AT_SYMLINK_NOFOLLOW) != 0 || is_of_cache(r, &above))
			return false;
	}
	return true;
}

static int find_beneath(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = {
	    .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve};
	return (int)syscall(SYS_openat2, dir, path[0] != '\0' ? path : ".", &how, sizeof how);
}

/* Opens for reading what an O_PATH descriptor stands for, and closes that one. -1: it cannot be opened. */
static int open_found(int found)
{
	char link[40];
	snprintf(link, sizeof link, "/proc/self/fd/%d", found);
	int fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	close(found);
	return fd;
}

int root_open_file(const struct root *r, const char *path, struct stat *st, bool *index)
{
	if (r->fd < 0 || has_dot_name(path))
		return -1;
	int fd = find_beneath(r->fd, path, 0);
	bool good = fd >= 0 && fstat(fd, st) == 0 && may_serve(r, fd, st);
	*index = good && S_ISDIR(st->st_mode);
	if (*index) {
		int file = find_beneath(fd, "index.html", RESOLVE_NO_SYMLINKS);
		close(fd);
		fd = file;
		good = fd >= 0 && fstat(fd, st) == 0 && may_serve(r, fd, st);
	}
	if (good && S_ISREG(st->st_mode))
		return open_found(fd);
	if (fd >= 0)
		close(fd);
	return -1;
}
