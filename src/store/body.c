/*
 * A body in flight is in one of these states; the functions named are the only edges:
 *
 *	            bodies_begin(false)             body_seal: takes a name, renames
 *	                    |-------> SPOOLED ------------------------------------.
 *	                    |                                                     v
 *	            bodies_begin(true)              body_seal                  SEALED ---body_give---> OWNED
 *	                    '-------> IN PLACE -----------------------------------^
 *
 * body_free() may come at any time: it unlinks the file unless the state is OWNED. A body that never got a byte has no file in
 * the end: body_file() is NULL.
 *
 * Names. A lease is taken through the writer's queue and therefore committed before its first name is used; another one is asked for
 * when half of it is used, so that nobody waits for it but the first body of all. A lease whose names are used up is settled
 * when each of its files is either owned by a row or gone (`undecided` is 0). Until then the sweep of another process must leave it
 * alone, which it does while lock_owner() lives (invariant 3).
 *
 * A power cut may lose the last leases together with all rows that came after them, and then a name meets a file nobody owns.
 * So no file is ever written over: the name is skipped and the file goes to the trash, where its ownership is looked into.
 *
 * Synced marks (invariant 7). All bodies that are sealed when a sync begins are on the disk when it ends. A name is `writing` from its
 * taking to its sealing; what is below the lowest of those, or below the next name, is sealed.
 *
 * The mutex guards leases, marks and the list of bodies being written. Files are touched outside of it.
 */
#include "store/body_files.h"

#include "base/log.h"
#include "base/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEASE_NAMES 4096
#define LEASE_NAMES_MAX 65536
#define LEASE_QUICK_S 2        /* a lease used up this fast is followed by a larger one */
#define FIRST_LEASE_WAIT_MS 1000
#define FIRST_DIGIT 8          /* of the number within a name: "body/ab/" */
#define SPOOL_NAME_SIZE 48

struct lease {
	struct lease *next;
	struct index_lease at;
	int64_t next_name;
	int64_t undecided; /* names whose file is neither owned nor gone */
};

struct bodies {
	int dir_fd;
	struct lock *lock;
	struct writer *writer;
	char boot[40];
	EVP_MD *sha256;
	atomic_llong spooled; /* counts names in spool/ */
	atomic_bool fresh;

	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t lease_came;
	struct lease *current, *following; /* following: asked for ahead */
	struct lease *spent;
	struct body *writing; /* has a name and is not sealed */
	bool asking, waited_in_vain;
	time_t asked_at;
	int64_t lease_names;
};

struct body {
	struct bodies *bodies;
	int fd;
	atomic_llong bytes;
	char name[BODY_NAME_SIZE];   /* "" while it has none */
	char spool[SPOOL_NAME_SIZE]; /* "" when it is not there */
	int64_t number;
	struct lease *lease;
	struct body *writing_before, *writing_behind;
	EVP_MD_CTX *sha;
	unsigned char sha256[32];
	bool is_writing, failed;
	atomic_bool owned;
};

static int trouble(const char *what, const char *name)
{
	int saved = errno;
	stats_add(STATS_STORE_TROUBLE, 1);
	log_trouble("body", "%s: %s: %s (answers go on, unstored)", name, what, strerror(saved));
	errno = saved;
	return -1;
}

/* --- names --- */

void body_name(int64_t number, char name[BODY_NAME_SIZE])
{
	snprintf(name, BODY_NAME_SIZE, "body/%02x/%012llx", (unsigned)(number >> 16) & 0xff, (unsigned long long)number);
}

int64_t body_number(const char *name)
{
	char again[BODY_NAME_SIZE];
	if (strlen(name) != FIRST_DIGIT + 12)
		return -1;
	int64_t number = (int64_t)strtoull(name + FIRST_DIGIT, NULL, 16);
	body_name(number, again);
	return strcmp(name, again) == 0 ? number : -1;
}

static void ask_for_lease(struct bodies *b);

/* Gives the body the next name and lists it as being written. -1: there is none. */
static int take_name(struct body *body)
{
	struct bodies *b = body->bodies;
	int result = -1;
	pthread_mutex_lock(&b->mutex);
	if (b->current == NULL && !b->asking)
		ask_for_lease(b);
	if (b->current == NULL && !b->waited_in_vain) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += FIRST_LEASE_WAIT_MS / 1000;
		while (b->current == NULL && b->asking)
			if (pthread_cond_timedwait(&b->lease_came, &b->mutex, &until) == ETIMEDOUT)
				break;
		b->waited_in_vain = b->current == NULL;
	}
	struct lease *l = b->current;
	if (l != NULL) {
		body->number = l->next_name++;
		body->lease = l;
		body_name(body->number, body->name);
		l->undecided++;
		body->is_writing = true;
		body->writing_before = NULL;
		body->writing_behind = b->writing;
		if (b->writing != NULL)
			b->writing->writing_before = body;
		b->writing = body;
		if (l->at.behind - l->next_name <= (l->at.behind - l->at.first) / 2 && b->following == NULL && !b->asking)
			ask_for_lease(b);
		if (l->next_name == l->at.behind) {
			l->next = b->spent;
			b->spent = l;
			b->current = b->following;
			b->following = NULL;
		}
		result = 0;
	}
	pthread_mutex_unlock(&b->mutex);
	return result;
}

static void stop_writing(struct body *body)
{
	struct bodies *b = body->bodies;
	if (!body->is_writing)
		return;
	if (body->writing_before != NULL)
		body->writing_before->writing_behind = body->writing_behind;
	else
		b->writing = body->writing_behind;
	if (body->writing_behind != NULL)
		body->writing_behind->writing_before = body->writing_before;
	body->is_writing = false;
}

/* The name's file is owned or gone. */
static void decide(struct body *body)
{
	struct bodies *b = body->bodies;
	pthread_mutex_lock(&b->mutex);
	stop_writing(body);
	if (body->lease != NULL)
		body->lease->undecided--;
	body->lease = NULL;
	body->name[0] = '\0';
	pthread_mutex_unlock(&b->mutex);
}

/* A file stands where our name should go (see above). */
struct stray {
	struct store_op op;
	char name[BODY_NAME_SIZE];
};

static int stray_run(struct store_op *op, struct index *ix)
{
	return index_trash_add(ix, ((struct stray *)op)->name);
}

static void stray_done(struct store_op *op, bool committed)
{
	(void)committed;
	free(op);
}

static void skip_name(struct body *body)
{
	struct stray *s = calloc(1, sizeof *s);
	if (s != NULL) {
		s->op.run = stray_run;
		s->op.done = stray_done;
		memcpy(s->name, body->name, sizeof s->name);
		writer_queue(body->bodies->writer, &s->op, false);
	}
	decide(body);
}

/* --- leases --- */

struct asked {
	struct store_op op;
	struct bodies *bodies;
	struct lease *lease;
	int64_t names;
};

static int asked_run(struct store_op *op, struct index *ix)
{
	struct asked *a = (struct asked *)op;
	return index_lease_take(ix, lock_owner(a->bodies->lock), a->bodies->boot, a->names, &a->lease->at);
}

static void asked_done(struct store_op *op, bool committed)
{
	struct asked *a = (struct asked *)op;
	struct bodies *b = a->bodies;
	pthread_mutex_lock(&b->mutex);
	b->asking = false;
	if (committed) {
		a->lease->next_name = a->lease->at.first;
		if (b->current == NULL)
			b->current = a->lease;
		else
			b->following = a->lease;
		b->waited_in_vain = false;
	} else {
		free(a->lease);
	}
	pthread_cond_broadcast(&b->lease_came);
	pthread_mutex_unlock(&b->mutex);
	free(a);
}

/* With the mutex held. */
static void ask_for_lease(struct bodies *b)
{
	struct asked *a = calloc(1, sizeof *a);
	struct lease *l = calloc(1, sizeof *l);
	if (a == NULL || l == NULL) {
		free(a);
		free(l);
		return;
	}
	time_t now = time(NULL);
	if (b->asked_at != 0 && now - b->asked_at < LEASE_QUICK_S && b->lease_names < LEASE_NAMES_MAX)
		b->lease_names *= 4;
	b->asked_at = now;
	b->asking = true;
	*a = (struct asked){.op = {.run = asked_run, .done = asked_done}, .bodies = b, .lease = l, .names = b->lease_names};
	writer_queue(b->writer, &a->op, false);
}

struct settled {
	struct store_op op;
	int64_t id, first, behind;
};

static int settled_run(struct store_op *op, struct index *ix)
{
	struct settled *s = (struct settled *)op;
	return s->behind == s->first ? index_lease_remove(ix, s->id) : index_lease_settle(ix, s->id, s->behind);
}

static void settled_done(struct store_op *op, bool committed)
{
	(void)committed; /* if not, the lease is swept when we are dead */
	free(op);
}

/* Ends a lease that is on no list any more. */
static void settle(struct bodies *b, struct lease *l)
{
	struct settled *s = calloc(1, sizeof *s);
	if (s != NULL) {
		*s = (struct settled){.op = {.run = settled_run, .done = settled_done}, .id = l->at.id, .first = l->at.first,
		    .behind = l->next_name};
		writer_queue(b->writer, &s->op, false);
	}
	free(l);
}

void bodies_settle(struct bodies *b)
{
	struct lease *done = NULL;
	pthread_mutex_lock(&b->mutex);
	for (struct lease **at = &b->spent; *at != NULL;) {
		struct lease *l = *at;
		if (l->undecided == 0) {
			*at = l->next;
			l->next = done;
			done = l;
		} else {
			at = &l->next;
		}
	}
	pthread_mutex_unlock(&b->mutex);
	while (done != NULL) {
		struct lease *l = done;
		done = l->next;
		settle(b, l);
	}
}

bool bodies_fresh(struct bodies *b)
{
	return atomic_exchange(&b->fresh, false);
}

static int64_t mark_of(const struct bodies *b, const struct lease *l)
{
	int64_t below = l->next_name;
	for (const struct body *w = b->writing; w != NULL; w = w->writing_behind)
		if (w->lease == l && w->number < below)
			below = w->number;
	return below;
}

int bodies_marks(struct bodies *b, struct bodies_mark *marks, int max)
{
	int n = 0;
	pthread_mutex_lock(&b->mutex);
	if (b->current != NULL && n < max)
		marks[n++] = (struct bodies_mark){b->current->at.id, mark_of(b, b->current)};
	for (const struct lease *l = b->spent; l != NULL && n < max; l = l->next)
		marks[n++] = (struct bodies_mark){l->at.id, mark_of(b, l)};
	pthread_mutex_unlock(&b->mutex);
	return n;
}

/* --- opening and closing --- */

struct bodies *bodies_open(int dir_fd, struct lock *lock, struct writer *writer, const char *boot)
{
	if ((mkdirat(dir_fd, "body", 0777) < 0 && errno != EEXIST) || (mkdirat(dir_fd, "spool", 0777) < 0 && errno != EEXIST))
		return NULL;
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
	b->lock = lock;
	b->writer = writer;
	b->lease_names = LEASE_NAMES;
	snprintf(b->boot, sizeof b->boot, "%s", boot);
	pthread_mutex_init(&b->mutex, NULL);
	pthread_cond_init(&b->lease_came, NULL);
	return b;
}

void bodies_retire(struct bodies *b)
{
	writer_settle(b->writer); /* a lease may be on its way */
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

/* The directory of a name, made when its first file comes. */
static int make_place(struct bodies *b, const char *name)
{
	char dir[FIRST_DIGIT];
	memcpy(dir, name, FIRST_DIGIT - 1);
	dir[FIRST_DIGIT - 1] = '\0';
	return mkdirat(b->dir_fd, dir, 0777) < 0 && errno != EEXIST ? -1 : 0;
}

static int create(struct bodies *b, const char *name)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(b->dir_fd, name, flags, 0666);
	if (fd < 0 && errno == ENOENT && make_place(b, name) == 0)
		fd = openat(b->dir_fd, name, flags, 0666);
	return fd;
}

/* Where it will stay (invariant 1: it was asked to be written in one go, and no row points at it before it is sealed). */
static int begin_in_place(struct body *body)
{
	while (take_name(body) == 0) {
		body->fd = create(body->bodies, body->name);
		if (body->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return trouble("cannot be made", body->name);
		skip_name(body);
	}
	errno = EAGAIN;
	return trouble("no names for bodies yet: the index is locked by another process", "body");
}

static int begin_in_spool(struct body *body)
{
	struct bodies *b = body->bodies;
	snprintf(body->spool, sizeof body->spool, "spool/%llx.%llx", (unsigned long long)lock_owner(b->lock),
	    (unsigned long long)atomic_fetch_add(&b->spooled, 1));
	body->fd = openat(b->dir_fd, body->spool, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (body->fd >= 0)
		return 0;
	trouble("cannot be made", body->spool);
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
	    (whole ? begin_in_place(body) : begin_in_spool(body)) < 0) {
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
			return trouble("cannot be written", body->name[0] != '\0' ? body->name : body->spool);
		}
		at += put;
		left -= (size_t)put;
		/* At once, because readers of the growing body look at it. */
		atomic_fetch_add(&body->bytes, put);
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
	while (take_name(body) == 0) {
		int rc = move(b, body->spool, body->name);
		if (rc < 0 && errno == ENOENT && make_place(b, body->name) == 0)
			rc = move(b, body->spool, body->name);
		if (rc == 0) {
			body->spool[0] = '\0';
			return 0;
		}
		if (errno != EEXIST) {
			trouble("cannot get its place beneath body/", body->spool);
			decide(body);
			return -1;
		}
		skip_name(body);
	}
	errno = EAGAIN;
	return trouble("no names for bodies: the index is locked by another process", body->spool);
}

int body_seal(struct body *body)
{
	if (body->failed || EVP_DigestFinal_ex(body->sha, body->sha256, NULL) != 1)
		return -1;
	if (body->spool[0] != '\0' && body_bytes(body) > 0 && out_of_spool(body) < 0) {
		body->failed = true;
		return -1;
	}
	pthread_mutex_lock(&body->bodies->mutex);
	stop_writing(body);
	pthread_mutex_unlock(&body->bodies->mutex);
	atomic_store(&body->bodies->fresh, true);
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
}

void body_free(struct body *body)
{
	if (body == NULL)
		return;
	struct bodies *b = body->bodies;
	if (body->spool[0] != '\0')
		unlinkat(b->dir_fd, body->spool, 0);
	if (body->name[0] != '\0') {
		if (!atomic_load(&body->owned))
			unlinkat(b->dir_fd, body->name, 0);
		decide(body);
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
	return unlinkat(b->dir_fd, name, 0) < 0 && errno != ENOENT && errno != ENOTDIR ? -1 : 0;
}

bool bodies_present(struct bodies *b)
{
	struct stat s;
	return fstatat(b->dir_fd, "body", &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(s.st_mode);
}

void bodies_sweep_spool(struct bodies *b)
{
	int fd = openat(b->dir_fd, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		unsigned long long owner, count;
		int end = 0;
		/* Only names as begin_in_spool() makes them: what somebody else put here is not ours to remove. */
		if (sscanf(e->d_name, "%llx.%llx%n", &owner, &count, &end) == 2 && e->d_name[end] == '\0' && owner != 0 &&
		    owner >> 62 == 0 && !lock_alive(b->lock, (int64_t)owner))
			unlinkat(fd, e->d_name, 0);
	}
	closedir(d);
}
