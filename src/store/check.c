#include "store/check.h"

#include "store/body_files.h"
#include "store/index.h"
#include "store/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1000, READ = 1 << 20 };

struct row {
	int64_t id, bytes;
	char *file, *url;
	char sha256[65]; /* hex; "" when not known */
};

struct rows {
	struct row rows[PIECE];
	size_t count;
};

struct walk {
	struct check *check;
	const char *dir;
	int dir_fd;
	struct index *ix; /* for the question of every file; what looks wrong is asked about by connections of its own */
	char *buffer;
	struct buf *why;
};

static char *keep(const struct store_column *c)
{
	return strdup(c->text != NULL ? c->text : "");
}

static int add_row(void *ctx, const struct store_column *c, size_t count)
{
	struct rows *r = ctx;
	struct row *row = &r->rows[r->count];
	(void)count;
	row->id = strtoll(c[0].text, NULL, 10);
	row->bytes = strtoll(c[1].text, NULL, 10);
	row->file = keep(&c[2]);
	row->url = keep(&c[3]);
	snprintf(row->sha256, sizeof row->sha256, "%s", c[4].text != NULL ? c[4].text : "");
	return row->file != NULL && row->url != NULL && ++r->count < PIECE ? 0 : 1;
}

static int note_there(void *ctx, const struct store_column *c, size_t count)
{
	(void)c;
	(void)count;
	*(bool *)ctx = true;
	return 0;
}

/* Does the row still own that file? When it cannot be asked, no: it is no fault then. */
static bool still_owns(struct walk *w, const char *table, const struct row *row)
{
	char sql[128], id[24];
	bool there = false;
	snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE id = CAST(?1 AS INTEGER) AND body_file = ?2", table);
	snprintf(id, sizeof id, "%lld", (long long)row->id);
	const char *params[] = {id, row->file};
	return store_query(w->dir, sql, params, 2, note_there, &there, w->why) == 0 && there;
}

static bool has_sum(struct walk *w, int fd, const char *sha256)
{
	unsigned char is[32];
	char hex[65];
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	ssize_t n = -1;
	if (sha != NULL && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1)
		while ((n = read(fd, w->buffer, READ)) > 0) {
			EVP_DigestUpdate(sha, w->buffer, (size_t)n);
			w->check->bytes += n;
		}
	bool done = n == 0 && EVP_DigestFinal_ex(sha, is, NULL) == 1;
	EVP_MD_CTX_free(sha);
	for (size_t i = 0; done && i < sizeof is; i++)
		snprintf(hex + 2 * i, 3, "%02x", is[i]);
	return done && strcmp(hex, sha256) == 0;
}

static void check_row(struct walk *w, const char *table, const struct row *row)
{
	struct stat s;
	enum check_fault fault = CHECK_MISSING;
	bool wrong = true;
	int fd = body_number(row->file) >= 0 ? openat(w->dir_fd, row->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
	if (fd >= 0 && fstat(fd, &s) == 0) {
		fault = s.st_size != row->bytes ? CHECK_SIZE : CHECK_CONTENT;
		wrong = s.st_size != row->bytes || (row->sha256[0] != '\0' && !has_sum(w, fd, row->sha256));
	}
	if (fd >= 0)
		close(fd);
	if (wrong && still_owns(w, table, row))
		w->check->fault(w->check->ctx, fault, table, row->id, row->file, row->url);
}

static int check_table(struct walk *w, const char *table)
{
	struct rows *r = calloc(1, sizeof *r);
	char sql[256], after[24];
	int64_t last = -1;
	int rc = r != NULL ? 0 : -1;
	snprintf(sql, sizeof sql, "SELECT id, body_bytes, body_file, url, lower(hex(sha256)) FROM %s WHERE id > CAST(?1 AS INTEGER) "
				  "AND body_file IS NOT NULL ORDER BY id LIMIT 1000", table);
	do {
		r->count = 0;
		snprintf(after, sizeof after, "%lld", (long long)last);
		const char *param = after;
		rc = store_query(w->dir, sql, &param, 1, add_row, r, w->why);
		for (size_t i = 0; i < r->count; i++) {
			if (rc == 0)
				check_row(w, table, &r->rows[i]);
			last = r->rows[i].id;
			free(r->rows[i].file);
			free(r->rows[i].url);
			w->check->rows++;
			if (w->check->progress != NULL && w->check->rows % 100 == 0)
				w->check->progress(w->check->ctx, w->check->rows, w->check->bytes);
		}
	} while (rc == 0 && r->count == PIECE);
	free(r);
	return rc;
}

/* --- files --- */

struct names {
	struct lock *lock;
	int64_t number;
	bool alive;
};

static int note_alive(void *ctx, const struct store_column *c, size_t count)
{
	struct names *n = ctx;
	(void)count;
	n->alive = n->alive || lock_alive(n->lock, strtoll(c[0].text, NULL, 10));
	return 0;
}

/* Is the name one that a living process has taken (invariant 3)? */
static bool is_taken(struct walk *w, struct lock *lock, const char *file)
{
	char number[24];
	struct names n = {.lock = lock, .number = body_number(file)};
	snprintf(number, sizeof number, "%lld", (long long)n.number);
	const char *param = number;
	int rc = store_query(w->dir, "SELECT owner FROM lease WHERE owner <> 0 AND first <= CAST(?1 AS INTEGER) AND CAST(?1 AS INTEGER) < behind",
	    &param, 1, note_alive, &n, w->why);
	return rc != 0 || n.alive;
}

static bool is_owned(struct walk *w, const char *file)
{
	bool owned = false;
	int rc = store_query(w->dir, "SELECT 1 FROM entry WHERE body_file = ?1 UNION ALL SELECT 1 FROM part WHERE body_file = ?1 "
				     "UNION ALL SELECT 1 FROM trash WHERE file = ?1", &file, 1, note_there, &owned, w->why);
	return rc != 0 || owned;
}

static void check_directory(struct walk *w, struct lock *lock, const char *name)
{
	int fd = openat(w->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	if (d == NULL && fd >= 0)
		close(fd);
	while (d != NULL && (e = readdir(d)) != NULL) {
		char file[BODY_NAME_SIZE];
		struct stat s;
		int n = snprintf(file, sizeof file, "%s/%.14s", name, e->d_name);
		if (n >= (int)sizeof file || body_number(file) < 0)
			continue; /* not a name of ours: not ours to judge */
		w->check->files++;
		struct index_owner owner;
		if (index_owner(w->ix, file, &owner) == STORE_FOUND)
			continue;
		/* In this order: a row that came meanwhile is seen, and a file that went meanwhile is gone. */
		if (!is_owned(w, file) && !is_taken(w, lock, file) && !is_owned(w, file) && fstatat(w->dir_fd, file, &s, AT_SYMLINK_NOFOLLOW) == 0)
			w->check->fault(w->check->ctx, CHECK_UNOWNED, NULL, 0, file, NULL);
	}
	if (d != NULL)
		closedir(d);
}

int check_cache(struct check *check, const char *dir, struct buf *why)
{
	struct walk w = {.check = check, .dir = dir, .why = why, .dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int rc = -1;
	w.buffer = malloc(READ);
	struct lock *lock = NULL;
	if (w.buffer == NULL || w.dir_fd < 0 || faccessat(w.dir_fd, "index.db", F_OK, 0) != 0)
		index_say_absence(dir, why);
	else if ((w.ix = index_open(dir, INDEX_GUEST, why)) != NULL && (lock = lock_open(w.dir_fd)) == NULL)
		buf_addf(why, "%s/lock: %s (who lives is known by its locks; verify as the user who serves)", dir, strerror(errno));
	else if (w.ix != NULL)
		rc = check_table(&w, "entry") == 0 && check_table(&w, "part") == 0 ? 0 : -1;
	for (unsigned ab = 0; rc == 0 && ab < 256; ab++) {
		char name[16];
		snprintf(name, sizeof name, "body/%02x", ab);
		check_directory(&w, lock, name);
	}
	lock_close(lock);
	index_close(w.ix);
	free(w.buffer);
	if (w.dir_fd >= 0)
		close(w.dir_fd);
	return rc;
}
