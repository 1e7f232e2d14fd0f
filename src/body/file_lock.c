/*
 * Bytes of the lock file: 0 is held while setting up (exclusive), 1 while using the cache (shared), 2 while reclaiming
 * (exclusive). From OWNERS on, each living store holds one byte. The file is empty: a lock may lie after its end.
 */
#include "body/file_lock.h"

#include "base/clock.h"
#include "base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { SETUP = 0, USING = 1, RECLAIMING = 2 };
#define OWNERS INT64_C(0x100000000)
#define OWNER_BITS 48
#define SETUP_WAIT_MS 10000

struct file_lock {
	int fd;
	int64_t owner;
};

static int lock_byte(struct file_lock *l, short type, int64_t byte)
{
	struct flock f = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	return fcntl(l->fd, F_OFD_SETLK, &f);
}

struct file_lock *file_lock_open(int dir_fd)
{
	struct file_lock *l = calloc(1, sizeof *l);
	if (l == NULL)
		return NULL;
	struct owner owner = owner_of(dir_fd);
	l->fd = owner_open(&owner, dir_fd, "lock", O_RDWR | O_CREAT, owner.secret);
	if (l->fd < 0)
		goto out;
	/* It is as good as impossible that another store has the same number; if so, another number is tried. */
	for (int tries = 0; tries < 8; tries++) {
		uint64_t r;
		if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
			goto out;
		l->owner = (int64_t)(r >> (64 - OWNER_BITS)) + 1;
		if (lock_byte(l, F_WRLCK, OWNERS + l->owner) == 0)
			return l;
	}
out:
	file_lock_close(l);
	return NULL;
}

struct file_lock *file_lock_open_to_read(int dir_fd)
{
	struct file_lock *l = file_lock_open(dir_fd);
	bool denied = l == NULL && (errno == EACCES || errno == EPERM);
	bool nobody =
	    l == NULL &&
	    (errno == EROFS || (denied && faccessat(dir_fd, "lock", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT));
	if (nobody && (l = calloc(1, sizeof *l)) != NULL)
		l->fd = -1;
	return l;
}

void file_lock_close(struct file_lock *l)
{
	if (l == NULL)
		return;
	int saved = errno;
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	errno = saved;
}

int file_lock_setup_begin(struct file_lock *l)
{
	/* Not F_OFD_SETLKW: a process that was stopped during its setup must not stop all others for ever. */
	for (int waited_ms = 0;; waited_ms += 5) {
		if (lock_byte(l, F_WRLCK, SETUP) == 0)
			return 0;
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || waited_ms >= SETUP_WAIT_MS)
			return -1;
		clock_pause_us(5000);
	}
}

void file_lock_setup_end(struct file_lock *l)
{
	lock_byte(l, F_UNLCK, SETUP);
}

bool file_lock_join(struct file_lock *l)
{
	bool alone = lock_byte(l, F_WRLCK, USING) == 0;
	lock_byte(l, F_RDLCK, USING);
	return alone;
}

int64_t file_lock_owner(const struct file_lock *l)
{
	return l->owner;
}

bool file_lock_alive(struct file_lock *l, int64_t owner)
{
	if (l->fd < 0)
		return false;
	if (owner == l->owner)
		return true;
	struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = OWNERS + owner, .l_len = 1};
	return fcntl(l->fd, F_OFD_GETLK, &f) != 0 || f.l_type != F_UNLCK;
}

bool file_lock_reclaim_begin(struct file_lock *l)
{
	return l->fd < 0 || lock_byte(l, F_WRLCK, RECLAIMING) == 0;
}

void file_lock_reclaim_end(struct file_lock *l)
{
	if (l->fd >= 0)
		lock_byte(l, F_UNLCK, RECLAIMING);
}
