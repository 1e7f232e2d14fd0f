/*
 * A body in flight is in one of these states; the functions named are the only edges:
 *
 *	            bodies_begin(false)             body_seal: takes a name, renames
 *	                    |-------> SPOOLED ------------------------------------.
 *	                    |                                                     v
 *	            bodies_begin(true)              body_seal                  SEALED ---body_give---> OWNED
 *	                    '-------> IN PLACE -----------------------------------^
 *
 * body_free() may come at any time: it unlinks the file unless the state is OWNED. A body that never got a byte has no
 *file in the end: body_file() is NULL.
 *
 * How names are taken, and why no file is ever written over, stands in body_leases.c. Files are touched outside of the
 *mutex.
 */
#include "body/body_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"
#include "index/body_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int trouble(struct bodies *b, const char *what, const char *name)
{
	int saved = errno;
	body_note_failure(b);
	stats_add(STATS_STORE_TROUBLE, 1);
	log_trouble("body", "%s: %s: %s (answers go on, unstored)", name, what, strerror(saved));
	errno = saved;
	return -1;
}

/* --- opening and closing --- */

struct bodies *bodies_open(
    int dir_fd, struct file_lock *lock, struct writer *writer, struct index *ix, const char *boot)
{
	struct bodies *b = calloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	/* Fetched once: an implicit fetch for each body costs more than hashing a small one. */
	b->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (b->sha256 == NULL) {
		free(b);
		errno = ENOMEM;
		return NULL;
	}
	b->dir_fd = dir_fd;
	b->owner = owner_of(dir_fd);
	if (bodies_make_places(b, ix) < 0) {
		EVP_MD_free(b->sha256);
		free(b);
		return NULL;
	}
	b->lock = lock;
	b->writer = writer;
	b->lease_names = BODY_LEASE_NAMES;
	snprintf(b->boot, sizeof b->boot, "%s", boot);
	pthread_mutex_init(&b->mutex, NULL);
	thread_cond_init(&b->lease_came);
	return b;
}

void bodies_retire(struct bodies *b)
{
	pthread_mutex_lock(&b->mutex);
	struct lease *last[] = {b->current, b->following};
	b->current = b->following = NULL;
	for (int i = 0; i < 2; i++) {
		if (last[i] != NULL) {
			last[i]->next = b->spent;
			b->spent = last[i];
		}
	}
	pthread_mutex_unlock(&b->mutex);
	bodies_settle(b);
}

void bodies_free(struct bodies *b)
{
	if (b == NULL)
		return;
	while (b->spent != NULL) {
		struct lease *l = b->spent;
		b->spent = l->next;
		free(l);
	}
	free(b->current);
	free(b->following);
	EVP_MD_free(b->sha256);
	pthread_cond_destroy(&b->lease_came);
	pthread_mutex_destroy(&b->mutex);
	free(b);
}

/* --- a body in flight --- */

static int create(struct bodies *b, const char *name)
{
	int flags = O_RDWR | O_CREAT | O_EXCL;
	int fd = owner_open(&b->owner, b->dir_fd, name, flags, b->owner.file);
	if (fd < 0 && errno == ENOENT && body_make_folder(b, name) == 0)
		fd = owner_open(&b->owner, b->dir_fd, name, flags, b->owner.file);
	return fd;
}

/* Where it will stay (invariant 1: it was asked to be written in one go, and no row points at it before it is sealed).
 */
static int begin_in_place(struct body *body)
{
	while (body_take_name(body) == 0) {
		body->fd = create(body->bodies, body->name);
		if (body->fd >= 0)
			return 0;
		if (body_avoid_folder(body->bodies, body->number))
			body_decide(body);
		else if (errno == EEXIST)
			body_skip_name(body);
		else
			return trouble(body->bodies, "cannot be made", body->name);
	}
	errno = EAGAIN;
	return trouble(body->bodies, "no names for bodies yet: the index is locked by another process", "body");
}

void body_spool_name(struct bodies *b, char name[SPOOL_NAME_SIZE])
{
	snprintf(name, SPOOL_NAME_SIZE, "spool/%llx.%llx", (unsigned long long)file_lock_owner(b->lock),
	    (unsigned long long)atomic_fetch_add(&b->spooled, 1));
}

static int begin_in_spool(struct body *body)
{
	struct bodies *b = body->bodies;
	body_spool_name(b, body->spool);
	body->fd = owner_open(&b->owner, b->dir_fd, body->spool, O_RDWR | O_CREAT | O_EXCL, b->owner.file);
	if (body->fd >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM || errno == ENOENT) { /* spool/ is somebody else's, or gone: body/ may do
								     */
		body->spool[0] = '\0';
		return begin_in_place(body);
	}
	trouble(b, "cannot be made", body->spool);
	body->spool[0] = '\0';
	return -1;
}

struct body *bodies_begin(struct bodies *b, bool whole)
{
	struct body *body = calloc(1, sizeof *body);
	if (body == NULL)
		return NULL;
	body->bodies = b;
	body->fd = -1;
	body->sha = EVP_MD_CTX_new();
	if (body->sha == NULL || EVP_DigestInit_ex2(body->sha, b->sha256, NULL) != 1 ||
	    (whole || b->apart ? begin_in_place(body) : begin_in_spool(body)) < 0) {
		body_free(body);
		return NULL;
	}
	return body;
}

int body_write(struct body *body, const void *bytes, size_t n)
{
	const char *at = bytes;
	for (size_t left = n; left > 0;) {
		ssize_t put = write(body->fd, at, left);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			body->failed = true;
			return trouble(
			    body->bodies, "cannot be written", body->name[0] != '\0' ? body->name : body->spool);
		}
		at += put;
		left -= (size_t)put;
		/* At once, because readers of the growing body look at it. */
		atomic_fetch_add(&body->bytes, put);
		atomic_fetch_add(&body->bodies->in_flight, put);
	}
	if (EVP_DigestUpdate(body->sha, bytes, n) != 1)
		body->failed = true;
	return body->failed ? -1 : 0;
}

int body_fd(const struct body *body)
{
	return body->fd;
}

int64_t body_bytes(const struct body *body)
{
	return atomic_load(&body->bytes);
}

/* Never over another file: RENAME_NOREPLACE, or link and unlink where the file system does not know it. */
static int move(struct bodies *b, const char *from, const char *to)
{
	if (renameat2(b->dir_fd, from, b->dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(b->dir_fd, from, b->dir_fd, to, 0) < 0)
		return -1;
	unlinkat(b->dir_fd, from, 0);
	return 0;
}

static int out_of_spool(struct body *body)
{
	struct bodies *b = body->bodies;
	while (body_take_name(body) == 0) {
		int rc = move(b, body->spool, body->name);
		if (rc < 0 && errno == ENOENT && body_make_folder(b, body->name) == 0)
			rc = move(b, body->spool, body->name);
		if (rc == 0) {
			body->spool[0] = '\0';
			return 0;
		}
		if (body_avoid_folder(b, body->number)) {
			body_decide(body);
			continue;
		}
		if (errno != EEXIST) {
			trouble(b, "cannot get its place beneath body/", body->spool);
			body_decide(body);
			return -1;
		}
		body_skip_name(body);
	}
	errno = EAGAIN;
	return trouble(b, "no names for bodies: the index is locked by another process", body->spool);
}

int body_seal(struct body *body)
{
	if (body->failed || EVP_DigestFinal_ex(body->sha, body->sha256, NULL) != 1)
		return -1;
	if (body->spool[0] != '\0' && body_bytes(body) > 0 && out_of_spool(body) < 0) {
		body->failed = true;
		return -1;
	}
	body_written(body);
	return 0;
}

const char *body_file(const struct body *body)
{
	return body->name[0] != '\0' && body_bytes(body) > 0 ? body->name : NULL;
}

const unsigned char *body_sha256(const struct body *body)
{
	return body->sha256;
}

void body_give(struct body *body)
{
	atomic_store(&body->owned, true);
	atomic_fetch_sub(&body->bodies->in_flight, atomic_load(&body->bytes)); /* it counts as stored from now on */
}

int64_t bodies_in_flight(struct bodies *b)
{
	return atomic_load(&b->in_flight);
}

void body_free(struct body *body)
{
	if (body == NULL)
		return;
	struct bodies *b = body->bodies;
	if (!atomic_load(&body->owned))
		atomic_fetch_sub(&b->in_flight, atomic_load(&body->bytes));
	if (body->spool[0] != '\0')
		unlinkat(b->dir_fd, body->spool, 0);
	if (body->name[0] != '\0') {
		if (!atomic_load(&body->owned))
			unlinkat(b->dir_fd, body->name, 0);
		body_decide(body);
	}
	if (body->fd >= 0)
		close(body->fd);
	EVP_MD_CTX_free(body->sha);
	free(body);
}

/* --- files of others --- */

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

bool bodies_verify(struct bodies *b, int fd, const unsigned char sha256[32])
{
	enum { PIECE = 256 << 10 };
	unsigned char is[32];
	bool same = false;
	char *piece = malloc(PIECE);
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	if (piece == NULL || sha == NULL || EVP_DigestInit_ex2(sha, b->sha256, NULL) != 1)
		goto out;
	ssize_t n;
	for (off_t at = 0; (n = pread(fd, piece, PIECE, at)) != 0; at += n > 0 ? n : 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || EVP_DigestUpdate(sha, piece, (size_t)n) != 1)
			goto out;
	}
	same = EVP_DigestFinal_ex(sha, is, NULL) == 1 && memcmp(is, sha256, 32) == 0;
out:
	EVP_MD_CTX_free(sha);
	free(piece);
	return same;
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

/* The process that a file in spool/ belongs to; 0: it is none of ours, and nobody's to judge. */
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

void bodies_sweep_spool(struct bodies *b)
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

int64_t bodies_in_flight_elsewhere(struct bodies *b)
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
