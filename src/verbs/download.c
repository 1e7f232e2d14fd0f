#include "verbs/download.h"

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- signals: an unfinished file is removed when one ends the process --- */

static char *volatile unfinished; /* of the only download; set while signals are blocked */

static void on_signal(int number)
{
	if (unfinished != NULL)
		unlink(unfinished);
	signal(number, SIG_DFL);
	raise(number);
}

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};

static void note_unfinished(char *path)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	unfinished = path;
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		struct sigaction now;
		sigaction(endings[i], NULL, &now);
		if (now.sa_handler != SIG_IGN) /* under nohup */
			signal(endings[i], path != NULL ? on_signal : SIG_DFL);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- the two ways to write a file --- */

static int open_in_place(struct download *d)
{
	d->fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return d->fd >= 0 ? 0 : -1;
}

/* True for the file that standard output or standard error is redirected to: replacing it would part them from its
 * name. */
static bool is_redirected(const struct stat *file)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		struct stat s;
		if (fstat(fd, &s) == 0 && s.st_dev == file->st_dev && s.st_ino == file->st_ino)
			return true;
	}
	return false;
}

/* The file that path leads to, if it may be replaced; NULL: it must be written in place. *now is its state; st_mode is
 * 0 if there is no such file. */
static char *find_target(const char *path, struct stat *now)
{
	struct stat link;
	memset(now, 0, sizeof *now);
	if (lstat(path, &link) != 0)
		return errno == ENOENT ? strdup(path) : NULL;
	if (stat(path, now) != 0 || !S_ISREG(now->st_mode) || now->st_nlink > 1 || is_redirected(now) ||
	    access(path, W_OK) != 0)
		return NULL;
	return realpath(path, NULL);
}

static mode_t mode_of_new_file(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/* -1: the directory allows no temporary file. */
static int open_temporary(struct download *d, const struct stat *now)
{
	static const char name[] = ".curlew-XXXXXX";
	const char *slash = strrchr(d->target, '/');
	int folder = slash != NULL ? (int)(slash - d->target) + 1 : 0;
	if (asprintf(&d->temporary, "%.*s%s", folder, d->target, name) < 0) {
		d->temporary = NULL;
		return -1;
	}
	d->fd = mkostemp(d->temporary, O_CLOEXEC);
	if (d->fd < 0)
		return -1;
	note_unfinished(d->temporary);
	bool exists = now->st_mode != 0;
	if (exists && now->st_uid != geteuid() && fchown(d->fd, now->st_uid, now->st_gid) != 0)
		return -1; /* the new file could not keep its owner */
	return fchmod(d->fd, exists ? now->st_mode & 07777 : mode_of_new_file());
}

static void drop_temporary(struct download *d)
{
	if (d->fd >= 0 && d->temporary != NULL) {
		close(d->fd);
		d->fd = -1;
		unlink(d->temporary);
		note_unfinished(NULL);
	}
	free(d->temporary);
	free(d->target);
	d->temporary = d->target = NULL;
}

static int open_file(struct download *d)
{
	struct stat now;
	d->target = find_target(d->path, &now);
	if (d->target != NULL && open_temporary(d, &now) == 0)
		return 0;
	drop_temporary(d);
	return open_in_place(d);
}

/* --- download.h --- */

void download_init(struct download *d, const char *path)
{
	bool file = path != NULL && strcmp(path, "-") != 0;
	*d = (struct download){.path = file ? path : NULL, .fd = file ? -1 : STDOUT_FILENO};
}

int download_write(struct download *d, const char *bytes, size_t n)
{
	if (d->fd < 0 && open_file(d) != 0)
		return -1;
	return output_write(d->fd, bytes, n);
}

/* For a file that cannot be replaced, such as a mount point in a container. */
static int copy_into_place(struct download *d)
{
	char bytes[64 << 10];
	int rc = -1, from = open(d->temporary, O_RDONLY | O_CLOEXEC);
	if (from >= 0 && open_in_place(d) == 0) {
		ssize_t n;
		rc = 0;
		while (rc == 0 && (n = read(from, bytes, sizeof bytes)) != 0)
			rc = n > 0 ? output_write(d->fd, bytes, (size_t)n) : -1;
		if (close(d->fd) != 0)
			rc = -1;
		d->fd = -1;
	}
	if (from >= 0)
		close(from);
	return rc;
}

int download_commit(struct download *d)
{
	if (d->path == NULL || d->fd < 0)
		return 0;
	int rc = close(d->fd);
	d->fd = -1;
	if (d->temporary == NULL)
		return rc;
	if (rc == 0 && rename(d->temporary, d->target) != 0)
		rc = copy_into_place(d);
	else if (rc == 0) /* renamed: there is no temporary file to remove */
		d->temporary[0] = '\0';
	int why = errno;
	if (d->temporary[0] != '\0')
		unlink(d->temporary);
	note_unfinished(NULL);
	free(d->temporary);
	d->temporary = NULL;
	errno = why;
	return rc;
}

void download_fini(struct download *d)
{
	if (d->path == NULL)
		return;
	if (d->temporary == NULL && d->fd >= 0) {
		close(d->fd);
		d->fd = -1;
	}
	drop_temporary(d);
}
