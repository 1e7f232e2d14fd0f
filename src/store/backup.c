/*
 * Copies the cache as it is, also while it is served. SQLite's backup API copies the index in one step, as of one
 * moment. Bodies are hard links where both directories are on one file system: a body never changes, so two caches may
 * share it. Else they are reflinks, or copies. During the copy no process reclaims files, so the files of rows that are
 * deleted after that moment stay until they are linked.
 */
#include "store/backup.h"

#include "base/clock.h"
#include "base/owner.h"
#include "body/body_leases.h"
#include "body/file_lock.h"
#include "body/folders.h"
#include "index/body_name.h"
#include "index/index.h"
#include "index/index_backup.h"
#include "index/query.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECLAIM_PATIENCE_MS 30000

struct copy {
	const char *from, *to;
	int from_fd, to_fd;
	struct file_lock *lock;
	struct owner owner; /* of the directory `to` */
	struct backup *report;
	struct buf *why;
	bool failed;
};

static int fail(struct copy *c, const char *name, const char *what)
{
	buf_addf(c->why, "%s/%s: %s (the copy is not complete: remove it and try again)", c->to, name, what);
	return -1;
}

/* Opens an empty directory, and makes it if it is missing. */
static int open_empty(struct copy *c)
{
	struct dirent *e;
	if (mkdir(c->to, 0700) < 0 && errno != EEXIST) {
		buf_addf(c->why, "%s: cannot be made: %s", c->to, strerror(errno));
		return -1;
	}
	c->to_fd = open(c->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = c->to_fd >= 0 ? fdopendir(dup(c->to_fd)) : NULL;
	if (d == NULL) {
		buf_addf(c->why, "%s: %s", c->to, strerror(errno));
		return -1;
	}
	struct stat s;
	if (fstat(c->to_fd, &s) < 0 || (s.st_uid != geteuid() && geteuid() != 0) ||
	    (s.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		closedir(d);
		buf_addf(c->why,
		    "%s: other users may write there (name a directory of your own, or one that does not exist)",
		    c->to);
		return -1;
	}
	c->owner = owner_of(c->to_fd);
	bool empty = true;
	while ((e = readdir(d)) != NULL)
		empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	closedir(d);
	if (!empty)
		buf_addf(c->why, "%s: is not empty (name an empty directory, or one that does not exist)", c->to);
	return empty ? 0 : -1;
}

/* Other processes reclaim for a tenth of a second at a time. */
static int hold_reclaiming(struct copy *c)
{
	for (int waited = 0; waited < RECLAIM_PATIENCE_MS; waited += 10) {
		if (file_lock_reclaim_begin(c->lock))
			return 0;
		clock_pause_us(10000);
	}
	buf_addf(c->why, "%s: another process has been reclaiming for half a minute (try again)", c->from);
	return -1;
}

/* sendfile(), because copy_file_range() fails between file systems of different types, as in most backups. */
static int copy_bytes(int from, int to)
{
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, 1 << 30);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

/* 0, or -1 with errno: ENOENT when the file of the row is missing. */
static int copy_body(struct copy *c, const char *file)
{
	struct stat s;
	/* A shared file has one owner, so it must be the owner of both caches. */
	if (fstatat(c->from_fd, file, &s, AT_SYMLINK_NOFOLLOW) == 0 && s.st_uid == c->owner.uid &&
	    linkat(c->from_fd, file, c->to_fd, file, 0) == 0) {
		c->report->linked++;
		return 0;
	}
	int from = openat(c->from_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int to = from >= 0 ? owner_open(&c->owner, c->to_fd, file, O_WRONLY | O_CREAT | O_EXCL, c->owner.file) : -1;
	int rc = to >= 0 && (ioctl(to, FICLONE, from) == 0 || copy_bytes(from, to) == 0) ? 0 : -1;
	int saved = errno;
	if (from < 0 && errno == ENOENT)
		c->report->missing++; /* the row will be a miss in the copy, as it is here */
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	errno = saved;
	if (rc == 0)
		c->report->copied++;
	return rc;
}

/* Callback of index_query() on the index of the copy. */
static int copy_row(void *ctx, const struct index_column *columns, size_t count)
{
	struct copy *c = ctx;
	const char *file = columns[0].text;
	char folder[16];
	(void)count;
	if (file == NULL || body_number(file) < 0)
		return 0;
	snprintf(folder, sizeof folder, "%.7s", file);
	if (owner_make_folder(&c->owner, c->to_fd, folder) < 0)
		c->failed = fail(c, folder, strerror(errno)) != 0;
	else if (copy_body(c, file) != 0 && errno != ENOENT)
		c->failed = fail(c, file, strerror(errno)) != 0;
	if (c->report->progress != NULL)
		c->report->progress(c->report->ctx, c->report->linked + c->report->copied);
	return c->failed;
}

static int copy_bodies(struct copy *c)
{
	if (owner_make_folder(&c->owner, c->to_fd, "body") < 0 ||
	    owner_make_folder(&c->owner, c->to_fd, "body/.curlew") < 0)
		return fail(c, "body", strerror(errno));
	int rc = index_query(c->to,
	    "SELECT body_file FROM entry WHERE body_file IS NOT NULL UNION ALL SELECT body_file FROM part", NULL, 0,
	    copy_row, c, c->why);
	return rc == 0 && !c->failed ? 0 : -1;
}

/* Is body/ there? A copy without bodies would look like a good one. */
static bool is_whole(const char *from, int from_fd, struct buf *why)
{
	struct index *ix = index_open(from, INDEX_GUEST, why);
	bool is = ix != NULL && body_is_the_one(from_fd, ix);
	if (ix != NULL && !is)
		body_describe_absence(from, why);
	index_close(ix);
	return is;
}

int backup_cache(struct backup *report, const char *from, const char *to, struct buf *why)
{
	struct copy c = {.from = from,
	    .to = to,
	    .report = report,
	    .why = why,
	    .to_fd = -1,
	    .from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct stat s;
	char boot[40];
	int rc = -1;
	body_boot(boot, sizeof boot);
	report->linked = report->copied = report->missing = 0;
	if (c.from_fd < 0 || fstatat(c.from_fd, "index.db", &s, 0) != 0)
		buf_addf(why, "no cache in %s: %s", from, strerror(errno));
	else if ((c.lock = file_lock_open_to_read(c.from_fd)) == NULL)
		buf_addf(why, "%s/lock: %s", from, strerror(errno));
	else if (!is_whole(from, c.from_fd, why))
		;
	else if (open_empty(&c) == 0 && hold_reclaiming(&c) == 0)
		rc = index_backup(from, to, boot, why) == 0 ? copy_bodies(&c) : -1;
	if (rc == 0 && syncfs(c.to_fd) != 0)
		rc = fail(&c, "", strerror(errno));
	file_lock_close(c.lock);
	if (c.from_fd >= 0)
		close(c.from_fd);
	if (c.to_fd >= 0)
		close(c.to_fd);
	return rc;
}
