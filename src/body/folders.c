/*
 * The mark. The empty folder body/.curlew says that the rows belong to this body/. If a disk is not mounted, or another
 * one is mounted in its place, body/ has no mark. Then a missing file says nothing about its row (invariant 3), and
 * nothing is stored. A plain `rm -r body/[0-9a-f]*` leaves the mark, so an emptied body/ is known from an absent one.
 *
 * Folders that cannot be written. Names go through the folders in order, so a folder that belongs to another user would
 * stop all storing for 65,536 names. Such a folder is reported once, and its names are skipped until it can be written.
 */
#include "body/folders.h"

#include "base/log.h"
#include "base/owner.h"
#include "body/bodies_struct.h"
#include "body/spool.h"
#include "index/body_name.h"
#include "index/body_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "body/.curlew"
#define ROWS_ASKED 100
#define PROBE_BYTES (64 << 10)

static bool is_folder(int dir_fd, const char *name, struct stat *s)
{
	return fstatat(dir_fd, name, s, 0) == 0 && S_ISDIR(s->st_mode);
}

/* Is body/ marked? */
static bool is_marked(int dir_fd)
{
	struct stat s;
	return is_folder(dir_fd, MARK, &s);
}

/* Looks at some of the rows that have files. Is one of the files there? *any_row: is there such a row, as far as
 * known? */
static bool any_file_is_there(int dir_fd, struct index *ix, bool parts, bool *any_row)
{
	struct index_body rows[ROWS_ASKED];
	struct stat s;
	bool there = false;
	int n = index_bodies(ix, parts, INT64_MIN, rows, ROWS_ASKED);
	*any_row = n < 0;
	for (int i = 0; i < n; i++) {
		*any_row = *any_row || rows[i].file != NULL;
		there = there || (rows[i].file != NULL && fstatat(dir_fd, rows[i].file, &s, AT_SYMLINK_NOFOLLOW) == 0);
		index_body_free(&rows[i]);
	}
	return there;
}

bool body_is_the_one(int dir_fd, struct index *ix)
{
	bool entries, parts;
	if (is_marked(dir_fd))
		return true;
	return any_file_is_there(dir_fd, ix, false, &entries) || any_file_is_there(dir_fd, ix, true, &parts) ||
	       (!entries && !parts);
}

void body_describe_absence(const char *dir, struct buf *why)
{
	buf_addf(why,
	    "%s/body: this is not the directory in which the bodies were stored: it has no mark body/.curlew (is a "
	    "disk not mounted? If the bodies are lost: mkdir -p '%s/" MARK "')",
	    dir, dir);
}

int bodies_make_folders(struct bodies *b, struct index *ix)
{
	struct stat body, spool;
	if (owner_make_folder(&b->owner, b->dir_fd, "body") < 0 || owner_make_folder(&b->owner, b->dir_fd, "spool") < 0)
		return -1;
	if (!is_marked(b->dir_fd) && body_is_the_one(b->dir_fd, ix))
		owner_make_folder(&b->owner, b->dir_fd, MARK);
	/* A file cannot be renamed from one disk to the other, so bodies are then written in their final place. */
	b->separate_disk =
	    is_folder(b->dir_fd, "body", &body) && is_folder(b->dir_fd, "spool", &spool) && body.st_dev != spool.st_dev;
	return 0;
}

bool bodies_present(struct bodies *b)
{
	return is_marked(b->dir_fd);
}

int bodies_open_disk(struct bodies *b)
{
	return openat(b->dir_fd, "body", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static unsigned folder_of(int64_t number)
{
	return (unsigned)(number >> 16) & 0xff;
}

int body_make_folder(struct bodies *b, const char *name)
{
	char folder[BODY_FIRST_DIGIT];
	memcpy(folder, name, BODY_FIRST_DIGIT - 1);
	folder[BODY_FIRST_DIGIT - 1] = '\0';
	if (!bodies_present(b)) { /* else the bodies would be written below the mount point of an absent disk */
		errno = ENODEV;
		return -1;
	}
	return owner_make_folder(&b->owner, b->dir_fd, folder);
}

bool body_avoids(const struct bodies *b, int64_t number)
{
	return atomic_load(&b->avoid[folder_of(number)]);
}

/* Do the permissions allow files in that folder? Where it is missing, those of body/ count. */
static bool is_writable(const struct bodies *b, unsigned ab)
{
	char folder[16];
	snprintf(folder, sizeof folder, "body/%02x", ab);
	if (faccessat(b->dir_fd, folder, W_OK | X_OK, AT_EACCESS) == 0)
		return true;
	return errno == ENOENT && faccessat(b->dir_fd, "body", W_OK | X_OK, AT_EACCESS) == 0;
}

/* Checks all folders. How many cannot be written; logged if there were none before. */
static int look_at_folders(struct bodies *b)
{
	int avoided = 0;
	unsigned first = FOLDERS;
	for (unsigned ab = FOLDERS; ab-- > 0;) {
		bool writable = is_writable(b, ab);
		atomic_store(&b->avoid[ab], !writable);
		avoided += !writable;
		first = writable ? first : ab;
	}
	if (atomic_exchange(&b->avoided, avoided) == 0 && avoided > 0)
		log_say("body/%02x: cannot be written (%d of the %d folders cannot; they must belong to the owner of "
			"the cache directory; `curlew stats` lists them)",
		    first, avoided, FOLDERS);
	return avoided;
}

bool body_avoid_folder(struct bodies *b, int64_t number)
{
	if (errno != EACCES && errno != EPERM && errno != EROFS)
		return false;
	int saved = errno, avoided = look_at_folders(b);
	errno = saved;
	return avoided < FOLDERS && body_avoids(b, number);
}

void bodies_list_avoided(struct bodies *b, struct buf *names)
{
	for (unsigned ab = 0; ab < FOLDERS; ab++)
		if (atomic_load(&b->avoid[ab]))
			buf_addf(names, "%sbody/%02x", names->len > 0 ? " " : "", ab);
}

void body_note_failure(struct bodies *b)
{
	atomic_store(&b->failing, true);
}

bool bodies_failing(struct bodies *b)
{
	return atomic_load(&b->failing) || atomic_load(&b->avoided) == FOLDERS;
}

void bodies_probe(struct bodies *b, bool closely)
{
	if (closely || atomic_load(&b->avoided) > 0)
		look_at_folders(b);
	if (!atomic_load(&b->failing))
		return;
	static const char zeros[PROBE_BYTES];
	char name[SPOOL_NAME_SIZE];
	spool_name(b, name);
	int fd = owner_open(&b->owner, b->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, b->owner.file);
	bool good = fd >= 0 && write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros;
	if (fd >= 0) {
		close(fd);
		unlinkat(b->dir_fd, name, 0);
	}
	if (good)
		atomic_store(&b->failing, false);
}
