/*
 * A crash leaves files between body_begin() and the commit of their row. The lease of their names is still in the
 * index, and nobody holds the lock of its owner any more. Each name of such a lease is checked: the file is unlinked
 * when no row owns it (invariant 3), and verified when a power cut may have torn it (invariant 7). So the work is
 * bounded by what was in flight, however many files there are.
 *
 * Files are listed only after a new index was made in an old directory. Then those files are removed that have a name
 * of curlew's form and were not named by this index.
 */
#include "store/orphans.h"

#include "base/clock.h"
#include "base/stats.h"
#include "body/body_files.h"
#include "body/checksum.h"
#include "body/folders.h"
#include "index/body_name.h"
#include "index/body_rows.h"
#include "index/entry_write.h"
#include "index/leases.h"
#include "index/part_write.h"
#include "index/settings.h"
#include "store/maintenance_state.h"
#include "store/maintenance_struct.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORPHANS_LEASES 64    /* read in one call */
#define SWEEP_PIECE 64       /* names or files between two pauses */
#define SWEEP_ROUND_US 50000 /* spent on folders in a round; at least one folder is swept */

struct torn {
	struct writer_op op;
	struct maintenance *maintenance;
	int64_t entry_id;
	char name[BODY_NAME_SIZE];
};

static int torn_run(struct writer_op *op, struct index *ix)
{
	struct torn *t = (struct torn *)op;
	int result = t->entry_id != 0 ? index_drop(ix, t->entry_id, t->name) : index_drop_part(ix, t->name);
	if (result < 0)
		atomic_store(&t->maintenance->torn_stays, true);
	return result;
}

static void torn_done(struct writer_op *op, bool committed)
{
	if (!committed)
		atomic_store(&((struct torn *)op)->maintenance->torn_stays, true);
	free(op);
}

static int drop_torn(struct maintenance *k, int64_t entry_id, const char *name)
{
	struct torn *t = calloc(1, sizeof *t);
	stats_add(STATS_BROKEN_ROWS, 1);
	if (t == NULL)
		return -1;
	*t = (struct torn){.op = {.run = torn_run, .done = torn_done}, .maintenance = k, .entry_id = entry_id};
	memcpy(t->name, name, sizeof t->name);
	writer_queue(k->at.writer, &t->op, false);
	return 0;
}

/* A row owns a file that a power cut may have torn. 0: verified, or queued for removal. */
static int verify(struct maintenance *k, int64_t number, const char *name, const struct index_owner *owner)
{
	if (!unsynced_has(k->at.unsynced, number))
		return 0;
	int fd = bodies_open_file(k->at.bodies, name, owner->body_bytes);
	bool good = fd >= 0 && owner->has_sha256 && checksum_matches(fd, owner->sha256, NULL);
	if (fd >= 0)
		close(fd);
	if (good) {
		unsynced_clear(k->at.unsynced, number);
		return 0;
	}
	return fd == -2 || !bodies_present(k->at.bodies) ? -1 : drop_torn(k, owner->entry_id, name);
}

/* Checks every name of a lease. 0: all are resolved. */
static int sweep_lease(struct maintenance *k, const struct index_lease *l)
{
	char name[BODY_NAME_SIZE];
	struct index_owner owner;
	for (int64_t n = l->first; n < l->end; n++) {
		body_name(n, name);
		switch (index_owner(k->ix, name, &owner)) {
		case INDEX_BROKEN:
			return -1;
		case INDEX_ABSENT:
			if (bodies_unlink(k->at.bodies, name) < 0)
				return -1;
			break;
		case INDEX_FOUND:
			if (verify(k, n, name, &owner) < 0)
				return -1;
			break;
		}
		if (n % SWEEP_PIECE == 0) {
			if (maintenance_is_stopping(k))
				return -1;
			clock_pause_us(500);
		}
	}
	return 0;
}

struct swept {
	struct writer_op op;
	struct maintenance *maintenance;
	struct index_lease lease;
	bool earlier; /* it is of an earlier boot */
};

/* Queued after the deletions of the torn rows of the lease. */
static int swept_run(struct writer_op *op, struct index *ix)
{
	struct swept *s = (struct swept *)op;
	if (!s->earlier)
		return index_lease_close(ix, s->lease.id, s->lease.end);
	return atomic_load(&s->maintenance->torn_stays) ? -1 : index_lease_remove(ix, s->lease.id);
}

/* Only now may the names be trusted: no torn one has a row any more. */
static void swept_done(struct writer_op *op, bool committed)
{
	struct swept *s = (struct swept *)op;
	if (committed && s->earlier)
		unsynced_remove(s->maintenance->at.unsynced, s->lease.id);
	free(s);
}

/* Does its owner live, or are all its names resolved and only a sync is missing? */
static bool needs_no_sweep(struct maintenance *k, const struct index_lease *l, bool earlier)
{
	return l->owner != 0 ? file_lock_alive(k->at.lock, l->owner) : !earlier;
}

static void sweep_leases(struct maintenance *k)
{
	struct index_lease leases[ORPHANS_LEASES];
	int n;
	atomic_store(&k->torn_stays, false);
	for (int64_t after = 0; (n = index_leases(k->ix, after, leases, ORPHANS_LEASES)) > 0;
	     after = leases[n - 1].id) {
		for (int i = 0; i < n; i++) {
			const struct index_lease *l = &leases[i];
			bool earlier = strcmp(l->boot, k->at.boot) != 0;
			if (needs_no_sweep(k, l, earlier) || sweep_lease(k, l) < 0)
				continue;
			struct swept *s = calloc(1, sizeof *s);
			if (s == NULL)
				return;
			*s = (struct swept){.op = {.run = swept_run, .done = swept_done},
			    .maintenance = k,
			    .lease = *l,
			    .earlier = earlier};
			writer_queue(k->at.writer, &s->op, false);
		}
		if (n < ORPHANS_LEASES || maintenance_is_stopping(k))
			return;
	}
}

void orphans_sweep_leases(struct maintenance *k)
{
	if (!bodies_present(k->at.bodies) || !file_lock_reclaim_begin(k->at.lock))
		return; /* a backup may need the file of a row that was deleted since; the next sweep comes soon */
	sweep_leases(k);
	file_lock_reclaim_end(k->at.lock);
}

static int forgotten_run(struct writer_op *op, struct index *ix)
{
	(void)op;
	return index_setting_remove(ix, "sweep_outside");
}

/* from: the first name of this index. It leases names before it makes their files. So a file whose name is not below
 * the end of the leased names, read after the file was listed, belongs to an earlier index. */
static int sweep_directory(struct maintenance *k, int ab, int64_t from)
{
	char dir[16], name[BODY_NAME_SIZE];
	snprintf(dir, sizeof dir, "body/%02x", (unsigned)ab);
	int fd = openat(k->at.dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	struct dirent *e;
	int result = 0;
	for (int n = 1; (e = readdir(d)) != NULL && result == 0; n++) {
		int64_t number = strlen(e->d_name) == 12 ? (int64_t)strtoull(e->d_name, NULL, 16) : -1;
		body_name(number, name);
		if (number < 0 || strcmp(name + sizeof "body/ab", e->d_name) != 0 ||
		    strncmp(name, dir, sizeof "body/ab" - 1) != 0)
			continue;
		int64_t end = number >= from ? index_names(k->ix) : from;
		struct index_owner owner;
		if (end >= 0 && (number < from || number >= end) && index_owner(k->ix, name, &owner) == INDEX_ABSENT)
			bodies_unlink(k->at.bodies, name);
		if (n % SWEEP_PIECE == 0) {
			clock_pause_us(2000);
			result = maintenance_is_stopping(k) ? -1 : 0;
		}
	}
	closedir(d);
	return result;
}

bool orphans_sweep_outside(struct maintenance *k)
{
	int64_t from = k->outside > 255 ? 0 : index_setting(k->ix, "sweep_outside");
	if (from <= 0)
		return false;
	int64_t began = clock_us();
	for (; k->outside < 256 && clock_us() - began < SWEEP_ROUND_US; k->outside++)
		if (sweep_directory(k, k->outside, from) < 0)
			return true;
	if (k->outside < 256)
		return true;
	struct writer_op *f = calloc(1, sizeof *f);
	if (f == NULL)
		return false;
	*f = (struct writer_op){.run = forgotten_run, .done = maintenance_op_free};
	writer_queue(k->at.writer, f, false);
	return false;
}
