#include "store/verify.h"

#include "body/checksum.h"
#include "body/file_lock.h"
#include "body/folders.h"
#include "index/body_name.h"
#include "index/body_rows.h"
#include "index/index.h"
#include "index/query.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 200 };

struct walk {
	struct check *check;
	const char *dir;
	int dir_fd;
	struct index *ix; /* to look up the owner of each file; faults are confirmed on connections of their own */
	struct buf *why;
};

static int note_there(void *ctx, const struct index_column *c, size_t count)
{
	(void)c;
	(void)count;
	*(bool *)ctx = true;
	return 0;
}

/* Does the row still own that file? No, too, where that cannot be found out: then it is no fault. */
static bool still_owns(struct walk *w, const char *table, const struct index_body *row)
{
	char sql[128], id[24];
	bool there = false;
	snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE id = CAST(?1 AS INTEGER) AND body_file = ?2", table);
	snprintf(id, sizeof id, "%lld", (long long)row->id);
	const char *params[] = {id, row->file};
	return index_query(w->dir, sql, params, 2, note_there, &there, w->why) == 0 && there;
}

static bool has_sum(struct walk *w, int fd, const unsigned char sha256[32])
{
	int64_t bytes;
	bool same = checksum_matches(fd, sha256, &bytes);
	w->check->bytes += bytes;
	return same;
}

/* Reads the row once more: it may have been replaced. */
static void check_invalid(struct walk *w, const char *table, int64_t id)
{
	struct index_body again;
	if (index_bodies(w->ix, strcmp(table, "part") == 0, id - 1, &again, 1) != 1)
		return;
	if (again.id == id && again.invalid)
		w->check->fault(w->check->ctx, VERIFY_INVALID, table, id, NULL, NULL);
	index_body_free(&again);
}

static void check_row(struct walk *w, const char *table, const struct index_body *row)
{
	struct stat s;
	enum verify_fault fault = VERIFY_MISSING;
	bool wrong = true;
	int fd = openat(w->dir_fd, row->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &s) == 0) {
		fault = s.st_size != row->body_bytes ? VERIFY_SIZE : VERIFY_CONTENT;
		wrong = s.st_size != row->body_bytes || (row->has_sha256 && !has_sum(w, fd, row->sha256));
	}
	if (fd >= 0)
		close(fd);
	if (wrong && still_owns(w, table, row))
		w->check->fault(w->check->ctx, fault, table, row->id, row->file, row->url);
}

static int check_table(struct walk *w, const char *table)
{
	struct index_body *rows = calloc(PIECE, sizeof *rows);
	int64_t after = INT64_MIN;
	int n = -1;
	while (rows != NULL && (n = index_bodies(w->ix, strcmp(table, "part") == 0, after, rows, PIECE)) > 0) {
		after = rows[n - 1].id;
		for (int i = 0; i < n; i++) {
			if (rows[i].invalid)
				check_invalid(w, table, rows[i].id);
			else if (rows[i].file != NULL)
				check_row(w, table, &rows[i]);
			w->check->rows += rows[i].invalid || rows[i].file != NULL;
			index_body_free(&rows[i]);
			if (w->check->progress != NULL && w->check->rows % 100 == 0)
				w->check->progress(w->check->ctx, w->check->rows, w->check->bytes);
		}
	}
	free(rows);
	if (n < 0)
		buf_addf(w->why, "%s/index.db: the table %s cannot be read to its end", w->dir, table);
	return n;
}

/* --- files --- */

struct names {
	struct file_lock *lock;
	int64_t number;
	bool alive;
};

static int note_alive(void *ctx, const struct index_column *c, size_t count)
{
	struct names *n = ctx;
	(void)count;
	n->alive = n->alive || file_lock_alive(n->lock, strtoll(column_text(&c[0]), NULL, 10));
	return 0;
}

/* Has a living process leased the name (invariant 3)? */
static bool is_taken(struct walk *w, struct file_lock *lock, const char *file)
{
	char number[24];
	struct names n = {.lock = lock, .number = body_number(file)};
	snprintf(number, sizeof number, "%lld", (long long)n.number);
	const char *param = number;
	int rc = index_query(w->dir,
	    "SELECT owner FROM lease WHERE owner <> 0 AND first <= CAST(?1 AS INTEGER) AND CAST(?1 AS INTEGER) < "
	    "behind",
	    &param, 1, note_alive, &n, w->why);
	return rc != 0 || n.alive;
}

static bool is_owned(struct walk *w, const char *file)
{
	bool owned = false;
	int rc = index_query(w->dir,
	    "SELECT 1 FROM entry WHERE body_file = ?1 UNION ALL SELECT 1 FROM part WHERE body_file = ?1 "
	    "UNION ALL SELECT 1 FROM trash WHERE file = ?1",
	    &file, 1, note_there, &owned, w->why);
	return rc != 0 || owned;
}

static void check_directory(struct walk *w, struct file_lock *lock, const char *name)
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
			continue; /* not a name that curlew gives: ignore it */
		w->check->files++;
		struct index_owner owner;
		if (index_owner(w->ix, file, &owner) == INDEX_FOUND)
			continue;
		/* The order matters: a row that came meanwhile is seen, and a file that went meanwhile is gone. */
		if (!is_owned(w, file) && !is_taken(w, lock, file) && !is_owned(w, file) &&
		    fstatat(w->dir_fd, file, &s, AT_SYMLINK_NOFOLLOW) == 0)
			w->check->fault(w->check->ctx, VERIFY_UNOWNED, NULL, 0, file, NULL);
	}
	if (d != NULL)
		closedir(d);
}

int verify_cache(struct check *check, const char *dir, struct buf *why)
{
	struct walk w = {
	    .check = check, .dir = dir, .why = why, .dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int rc = -1;
	struct file_lock *lock = NULL;
	if (w.dir_fd < 0 || faccessat(w.dir_fd, "index.db", F_OK, 0) != 0)
		index_describe_absence(dir, why);
	else if ((w.ix = index_open(dir, INDEX_GUEST, why)) != NULL &&
		 (lock = file_lock_open_to_read(w.dir_fd)) == NULL)
		buf_addf(why, "%s/lock: %s (its locks tell which processes live; verify as the user who serves)", dir,
		    strerror(errno));
	else if (w.ix != NULL && !body_is_the_one(w.dir_fd, w.ix))
		body_describe_absence(dir, why);
	else if (w.ix != NULL)
		rc = check_table(&w, "entry") == 0 && check_table(&w, "part") == 0 ? 0 : -1;
	for (unsigned ab = 0; rc == 0 && ab < 256; ab++) {
		char name[16];
		snprintf(name, sizeof name, "body/%02x", ab);
		check_directory(&w, lock, name);
	}
	file_lock_close(lock);
	index_close(w.ix);
	if (w.dir_fd >= 0)
		close(w.dir_fd);
	return rc;
}
