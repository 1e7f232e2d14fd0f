/*
 * A body in flight has one of these states. The functions named are the only transitions:
 *
 *	            bodies_begin(false)             body_seal: takes a name, renames
 *	                    |-------> SPOOLED ------------------------------------.
 *	                    |                                                     v
 *	            bodies_begin(true)              body_seal                  SEALED ---body_set_owned---> OWNED
 *	                    '-------> IN PLACE -----------------------------------^
 *
 * body_free() may be called in any state. It unlinks the file, unless the state is OWNED. A body that never got a byte
 * has no file at the end: body_file() is NULL.
 *
 * body_leases.c explains how names are taken, and why no file is ever overwritten. The mutex is never held while a file
 * is touched.
 */
#include "body/body.h"

#include "base/log.h"
#include "base/stats.h"
#include "body/bodies_struct.h"
#include "body/body_leases.h"
#include "body/body_struct.h"
#include "body/folders.h"
#include "body/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int trouble(struct bodies *b, const char *what, const char *name)
{
	int saved = errno;
	body_note_failure(b);
	stats_add(STATS_STORE_TROUBLE, 1);
	log_trouble("body", "%s: %s: %s (responses are served, but not stored)", name, what, strerror(saved));
	errno = saved;
	return -1;
}

static int create(struct bodies *b, const char *name)
{
	int flags = O_RDWR | O_CREAT | O_EXCL;
	int fd = owner_open(&b->owner, b->dir_fd, name, flags, b->owner.file);
	if (fd < 0 && errno == ENOENT && body_make_folder(b, name) == 0)
		fd = owner_open(&b->owner, b->dir_fd, name, flags, b->owner.file);
	return fd;
}

/* Makes the file in its final place. The body is written in one go, and no row points at it before it is sealed
 * (invariant 1). */
static int begin_in_place(struct body *body)
{
	while (body_take_name(body) == 0) {
		body->fd = create(body->bodies, body->name);
		if (body->fd >= 0)
			return 0;
		if (body_avoid_folder(body->bodies, body->number))
			body_resolve_name(body);
		else if (errno == EEXIST)
			body_skip_name(body);
		else
			return trouble(body->bodies, "cannot be made", body->name);
	}
	errno = EAGAIN;
	return trouble(body->bodies, "no names for bodies yet: the index is locked by another process", "body");
}

static int begin_in_spool(struct body *body)
{
	struct bodies *b = body->bodies;
	spool_name(b, body->spool);
	body->fd = owner_open(&b->owner, b->dir_fd, body->spool, O_RDWR | O_CREAT | O_EXCL, b->owner.file);
	if (body->fd >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM || errno == ENOENT) { /* spool/ is gone or belongs to another user: try
								       body/ */
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
	body->checksum = checksum_new();
	if (body->checksum == NULL || (whole || b->separate_disk ? begin_in_place(body) : begin_in_spool(body)) < 0) {
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
		/* At once, because readers of the growing body read this. */
		atomic_fetch_add(&body->bytes, put);
		atomic_fetch_add(&body->bodies->in_flight, put);
	}
	if (checksum_add(body->checksum, bytes, n) != 0)
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

/* Never overwrites a file: RENAME_NOREPLACE, or link and unlink where the file system does not support it. */
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
			body_resolve_name(body);
			continue;
		}
		if (errno != EEXIST) {
			trouble(b, "cannot be moved to body/", body->spool);
			body_resolve_name(body);
			return -1;
		}
		body_skip_name(body);
	}
	errno = EAGAIN;
	return trouble(b, "no names for bodies: the index is locked by another process", body->spool);
}

int body_seal(struct body *body)
{
	if (body->failed || checksum_end(body->checksum, body->sha256) != 0)
		return -1;
	if (body->spool[0] != '\0' && body_bytes(body) > 0 && out_of_spool(body) < 0) {
		body->failed = true;
		return -1;
	}
	body_written(body);
	return 0;
}

void body_close(struct body *body)
{
	if (body->fd >= 0)
		close(body->fd);
	body->fd = -1;
}

const char *body_file(const struct body *body)
{
	return body->name[0] != '\0' && body_bytes(body) > 0 ? body->name : NULL;
}

const unsigned char *body_sha256(const struct body *body)
{
	return body->sha256;
}

void body_set_owned(struct body *body)
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
		body_resolve_name(body);
	}
	body_close(body);
	checksum_free(body->checksum);
	free(body);
}
