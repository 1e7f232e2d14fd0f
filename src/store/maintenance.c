/*
 * A round at least twice a second, more often while there is something left to do. Everything in a round is bounded, so
 *that no chore keeps another one waiting: a million files in the trash are emptied in thousands of rounds.
 *
 *	trash        found by data_version, so within half a second of a commit by any process; 64 files at a time, half
 *of the time pausing; not while another process reclaims or makes a backup (file_lock_reclaim_begin) bounds --size,
 *--max-entries, --min-free (quota.c) WAL          checkpointed from 4,096 frames on. A writer that never rests keeps a
 *checkpoint from ever being complete, so from 16,384 frames on the writer itself does one between two transactions.
 *From 32,768 frames on that cannot be copied, somebody reads and does not finish: storing stops, and the reader is
 *named free pages   given back when more than a quarter of the file is free sync         every half minute in which a
 *body was sealed (invariant 7) sweep        of what dead processes left: at start, and with each sync (orphans.c)
 */
#include "store/maintenance.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"
#include "body/body_files.h"
#include "body/body_leases.h"
#include "body/folders.h"
#include "body/spool.h"
#include "index/ballast.h"
#include "index/body_name.h"
#include "index/counters.h"
#include "index/db_size.h"
#include "index/index.h"
#include "index/leases.h"
#include "index/settings.h"
#include "index/traffic.h"
#include "index/trash.h"
#include "store/maintenance_internal.h"
#include "store/wal_readers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUND_MS 500
#define PAUSE_MS 20 /* between rounds while something is left to do */
#define SYNC_S 30
#define FIRST_SYNC_S 2 /* after the start: what short-lived processes left */
#define TRASH_ITEMS 64
#define TRASH_ROUND_US 100000
#define TRASH_ASKED_MAX 16 /* removals in the writer's queue */
#define WAL_CHECKPOINT 4096
#define WAL_PRESS 16384
#define WAL_FULL 32768
#define TRAFFIC_KEPT_S (31 * 86400)
#define VACUUM_PAGES 500
#define VACUUM_ABOVE 1024 /* free pages that are not worth it */

void maintenance_kick(struct maintenance *k)
{
	pthread_mutex_lock(&k->mutex);
	k->kicked = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->mutex);
}

bool maintenance_is_stopping(struct maintenance *k)
{
	pthread_mutex_lock(&k->mutex);
	bool is = k->stopping;
	pthread_mutex_unlock(&k->mutex);
	return is;
}

void maintenance_op_free(struct writer_op *op, bool committed)
{
	(void)committed;
	free(op);
}

/* --- trash (invariant 4: the row is gone, now the file) --- */

struct emptied {
	struct writer_op op;
	struct maintenance *maintenance;
	int count;
	struct index_trash items[TRASH_ITEMS];
};

static int emptied_run(struct writer_op *op, struct index *ix)
{
	struct emptied *e = (struct emptied *)op;
	int result = 0;
	for (int i = 0; i < e->count && result == 0; i++)
		result = index_trash_remove(ix, e->items[i].id, e->items[i].file);
	return result;
}

static void emptied_done(struct writer_op *op, bool committed)
{
	(void)committed; /* if not, they are met again, and the files are gone already */
	atomic_fetch_sub(&((struct emptied *)op)->maintenance->trash_asked, 1);
	free(op);
}

/* True when the row in the trash has served its purpose. */
static bool throw_away(struct maintenance *k, const struct index_trash *item)
{
	if (item->owned)
		return true;
	if (body_number(item->file) < 0) {
		log_trouble("trash name",
		    "%s/index.db: trash row %lld does not name a body file (it is forgotten, no file is touched)",
		    k->at.dir, (long long)item->id);
		return true;
	}
	if (bodies_unlink(k->at.bodies, item->file) < 0) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("trash", "%s/%s: cannot be removed: %s (it is tried again)", k->at.dir, item->file,
		    strerror(errno));
		return false;
	}
	return true;
}

/* One piece. False: nothing more now. */
static bool empty_piece(struct maintenance *k)
{
	struct emptied *e = malloc(sizeof *e);
	if (e == NULL)
		return false;
	e->op = (struct writer_op){.run = emptied_run, .done = emptied_done};
	e->maintenance = k;
	e->count = 0;
	int n = index_trash(k->ix, k->trash_after, e->items, TRASH_ITEMS);
	for (int i = 0; i < n; i++) {
		k->trash_after = e->items[i].id;
		if (throw_away(k, &e->items[i]))
			e->items[e->count++] = e->items[i];
	}
	if (e->count > 0) {
		atomic_fetch_add(&k->trash_asked, 1);
		writer_queue(k->at.writer, &e->op, false);
	} else {
		free(e);
	}
	return n == TRASH_ITEMS;
}

static void empty_trash(struct maintenance *k)
{
	int64_t version = index_version(k->ix);
	if (version != k->version) {
		k->version = version;
		k->trash_left = true;
	}
	if (!k->trash_left || !file_lock_reclaim_begin(k->at.lock))
		return;
	int64_t began = clock_us(), piece_began = began;
	bool more = true, from_the_first = k->trash_after == 0;
	while (more && piece_began - began < TRASH_ROUND_US && atomic_load(&k->trash_asked) < TRASH_ASKED_MAX &&
	       !maintenance_is_stopping(k)) {
		more = empty_piece(k);
		int64_t now = clock_us();
		if (more)
			clock_pause_us(now - piece_began);
		piece_began = clock_us();
	}
	file_lock_reclaim_end(k->at.lock);
	if (!more) {
		k->trash_after = 0;
		k->trash_left = !from_the_first; /* what came meanwhile may have taken lower numbers */
	}
}

/* --- the WAL --- */

struct stopped {
	struct writer_op op;
	struct maintenance *maintenance;
	char why[400]; /* "" when it goes on */
};

static void stopped_done(struct writer_op *op, bool committed)
{
	if (committed)
		atomic_store(&((struct stopped *)op)->maintenance->unwritten, false);
	free(op);
}

static int stopped_run(struct writer_op *op, struct index *ix)
{
	const struct stopped *s = (const struct stopped *)op;
	return s->why[0] != '\0' ? index_setting_set(ix, "stopped", s->why) : index_setting_remove(ix, "stopped");
}

/* For `curlew stats`: why nothing is stored. */
static void note_stopped(struct maintenance *k)
{
	struct stopped *s = calloc(1, sizeof *s);
	if (s == NULL)
		return;
	s->op = (struct writer_op){.run = stopped_run, .done = stopped_done};
	s->maintenance = k;
	const char *why = maintenance_stopped(k);
	if (why != NULL)
		snprintf(s->why, sizeof s->why, "no: %s%s%s", why, k->reader[0] != '\0' ? ": " : "", k->reader);
	writer_queue(k->at.writer, &s->op, false);
}

const char *maintenance_forbidden(const struct maintenance *k)
{
	if (atomic_load(&k->full))
		return "an open transaction keeps the write-ahead log from being emptied";
	if (atomic_load(&k->away))
		return "body/ is not the directory that the bodies were stored in";
	if (atomic_load(&k->starved))
		return "the disk has less free than --min-free leaves, and nothing is left to evict";
	return NULL;
}

const char *maintenance_stopped(const struct maintenance *k)
{
	const char *why = maintenance_forbidden(k);
	if (why != NULL)
		return why;
	if (bodies_failing(k->at.bodies))
		return "the cache's disk cannot be written";
	if (atomic_load(&k->unwritten))
		return "the index cannot be written";
	return NULL;
}

void maintenance_failed(struct maintenance *k)
{
	atomic_store(&k->unwritten, true);
	maintenance_kick(k);
}

/* For `curlew stats`: the folders that are passed over. */
struct avoided {
	struct writer_op op;
	char names[sizeof((struct maintenance *)NULL)->avoided];
};

static int avoided_run(struct writer_op *op, struct index *ix)
{
	const struct avoided *a = (const struct avoided *)op;
	return a->names[0] != '\0' ? index_setting_set(ix, "unwritable", a->names)
				   : index_setting_remove(ix, "unwritable");
}

static void note_avoided(struct maintenance *k)
{
	struct buf names;
	buf_init(&names, BUF_LINE);
	bodies_list_avoided(k->at.bodies, &names);
	struct avoided *a =
	    strncmp(buf_str(&names), k->avoided, sizeof k->avoided - 1) != 0 ? calloc(1, sizeof *a) : NULL;
	if (a != NULL) {
		a->op = (struct writer_op){.run = avoided_run, .done = maintenance_op_free};
		snprintf(a->names, sizeof a->names, "%s", buf_str(&names));
		memcpy(k->avoided, a->names, sizeof k->avoided);
		writer_queue(k->at.writer, &a->op, false);
	}
	buf_fini(&names);
}

/* Can bodies be stored at all? */
static void watch_bodies(struct maintenance *k, bool closely)
{
	bodies_probe(k->at.bodies, closely);
	note_avoided(k);
	bool away = !bodies_present(k->at.bodies);
	if (away && !atomic_exchange(&k->away, away)) {
		struct buf why;
		buf_init(&why, BUF_LINE);
		body_describe_absence(k->at.dir, &why);
		log_say("%s", buf_str(&why));
		buf_fini(&why);
	}
	atomic_store(&k->away, away);
}

static void watch_wal(struct maintenance *k)
{
	int frames = writer_wal_frames(k->at.writer), log = 0, done = 0;
	if (frames < WAL_CHECKPOINT || frames == k->checkpointed) {
		if (frames < WAL_FULL)
			atomic_store(&k->full, false);
		return;
	}
	if (index_checkpoint(k->ix, &log, &done) < 0)
		return;
	k->checkpointed = done == log ? frames : 0;
	if (log > WAL_PRESS)
		writer_checkpoint(k->at.writer);
	bool full = log - done > WAL_FULL;
	k->reader[0] = '\0';
	if (full) {
		wal_readers_name(k->at.dir, k->reader, sizeof k->reader);
		log_trouble("wal",
		    "%s/index.db-wal: a reader with an open transaction keeps it from being emptied: %s (nothing is "
		    "stored "
		    "until that ends)",
		    k->at.dir, k->reader);
	}
	atomic_store(&k->full, full);
}

bool maintenance_swept(const struct maintenance *k)
{
	return atomic_load(&k->swept);
}

bool maintenance_log_full(const struct maintenance *k)
{
	return atomic_load(&k->full);
}

static int vacuum_run(struct writer_op *op, struct index *ix)
{
	(void)op;
	return index_vacuum(ix, VACUUM_PAGES);
}

static void give_pages_back(struct maintenance *k)
{
	int64_t pages = 0, free_pages = 0;
	if (index_pages(k->ix, &pages, &free_pages) < 0 || free_pages < VACUUM_ABOVE || free_pages < pages / 4)
		return;
	struct writer_op *v = calloc(1, sizeof *v);
	if (v == NULL)
		return;
	*v = (struct writer_op){.run = vacuum_run, .done = maintenance_op_free};
	writer_queue(k->at.writer, v, true);
}

/* --- sync (invariant 7) --- */

struct synced {
	struct writer_op op;
	int mark_count, lease_count;
	struct bodies_mark marks[ORPHANS_LEASES];
	int64_t leases[ORPHANS_LEASES]; /* settled before the sync: nothing is left to remember of them */
};

static int synced_run(struct writer_op *op, struct index *ix)
{
	struct synced *s = (struct synced *)op;
	int result = 0;
	for (int i = 0; i < s->mark_count && result == 0; i++)
		result = index_lease_synced(ix, s->marks[i].lease_id, s->marks[i].below);
	for (int i = 0; i < s->lease_count && result == 0; i++)
		result = index_lease_remove(ix, s->leases[i]);
	return result;
}

static void sync_bodies(struct maintenance *k)
{
	struct index_lease leases[ORPHANS_LEASES];
	struct synced *s = calloc(1, sizeof *s);
	if (s == NULL)
		return;
	s->op = (struct writer_op){.run = synced_run, .done = maintenance_op_free};
	int n = index_leases(k->ix, 0, leases, ORPHANS_LEASES);
	for (int i = 0; i < n; i++)
		if (leases[i].owner == 0 && strcmp(leases[i].boot, k->at.boot) == 0)
			s->leases[s->lease_count++] = leases[i].id;
	if (bodies_any_sealed(k->at.bodies))
		s->mark_count = bodies_marks(k->at.bodies, s->marks, ORPHANS_LEASES);
	if (s->mark_count + s->lease_count == 0) {
		free(s);
		return;
	}
	int body_fd = bodies_open_disk(k->at.bodies);
	bool synced = syncfs(k->at.dir_fd) == 0 && body_fd >= 0 && syncfs(body_fd) == 0;
	if (body_fd >= 0)
		close(body_fd);
	if (!synced) {
		log_trouble("sync", "%s: cannot be synced: %s", k->at.dir, strerror(errno));
		free(s);
		return;
	}
	writer_queue(k->at.writer, &s->op, false); /* if that fails the marks are lower than they could be, which is
						      safe */
}

static int traffic_run(struct writer_op *op, struct index *ix)
{
	(void)op;
	return index_traffic_trim(ix, (int64_t)time(NULL) - TRAFFIC_KEPT_S);
}

static void forget_traffic(struct maintenance *k)
{
	struct writer_op *f = calloc(1, sizeof *f);
	if (f == NULL)
		return;
	*f = (struct writer_op){.run = traffic_run, .done = maintenance_op_free};
	writer_queue(k->at.writer, f, true);
}

/* --- the thread --- */

/* False when it is time to stop. */
static bool wait_round(struct maintenance *k, bool soon)
{
	struct timespec until = clock_after_us((k->trash_left || soon ? PAUSE_MS : ROUND_MS) * 1000);
	pthread_mutex_lock(&k->mutex);
	int rc = 0;
	while (!k->stopping && !k->kicked && rc == 0)
		rc = pthread_cond_timedwait(&k->wake, &k->mutex, &until);
	k->kicked = false;
	bool go_on = !k->stopping;
	pthread_mutex_unlock(&k->mutex);
	return go_on;
}

static void *run(void *arg)
{
	struct maintenance *k = arg;
	int64_t ticked = 0;
	ballast_fill(k->at.dir_fd);
	spool_sweep(k->at.bodies);
	orphans_sweep_leases(k);
	bool outside = !atomic_load(&k->away) && orphans_sweep_outside(k);
	k->synced_at = time(NULL) - SYNC_S + FIRST_SYNC_S;
	const char *stopped = NULL;
	bool noted = !k->at.alone; /* else what stands there is of the dead */
	while (wait_round(k, outside)) {
		if (outside)
			outside = orphans_sweep_outside(k);
		atomic_store(&k->swept, !outside);
		if (!atomic_load(&k->away)) {
			empty_trash(k); /* first: what has gone already must not be asked for again */
			quota_keep(k);
		}
		if (clock_us() - ticked < ROUND_MS * 1000)
			continue;
		ticked = clock_us();
		atomic_store(&k->elsewhere, spool_bytes_elsewhere(k->at.bodies));
		k->at.tick(k->at.ctx, atomic_load(&k->full));
		watch_wal(k);
		watch_bodies(k, time(NULL) - k->synced_at >= SYNC_S);
		if (!noted || atomic_load(&k->unwritten) || maintenance_stopped(k) != stopped) {
			noted = true;
			stopped = maintenance_stopped(k);
			note_stopped(k);
		}
		give_pages_back(k);
		bodies_close_leases(k->at.bodies);
		if (time(NULL) - k->synced_at >= SYNC_S) {
			ballast_fill(k->at.dir_fd);
			forget_traffic(k);
			spool_sweep(k->at.bodies);
			orphans_sweep_leases(k);
			sync_bodies(k);
			k->synced_at = time(NULL);
		}
	}
	/* Each short-lived process leaves a lease behind. Where none ever lives long, it is this one's turn when they
	 * are many. */
	struct index_lease leases[ORPHANS_LEASES];
	if (index_leases(k->ix, 0, leases, ORPHANS_LEASES) == ORPHANS_LEASES)
		sync_bodies(k);
	return NULL;
}

struct maintenance *maintenance_start(const struct maintenance_config *config, struct buf *why)
{
	struct maintenance *k = calloc(1, sizeof *k);
	if (k == NULL) {
		buf_adds(why, "no memory for the keeper");
		return NULL;
	}
	k->at = *config;
	k->version = -1;
	k->ix = index_open(config->dir, INDEX_MAINTENANCE, why);
	if (k->ix == NULL) {
		free(k);
		return NULL;
	}
	pthread_mutex_init(&k->mutex, NULL);
	thread_cond_init(&k->wake);
	watch_bodies(k, true);
	if (thread_start(&k->thread, "maintenance", run, k) != 0) {
		buf_adds(why, "no thread for the keeper");
		maintenance_free(k);
		return NULL;
	}
	return k;
}

void maintenance_stop(struct maintenance *k)
{
	pthread_mutex_lock(&k->mutex);
	k->stopping = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->mutex);
	pthread_join(k->thread, NULL);
}

void maintenance_free(struct maintenance *k)
{
	if (k == NULL)
		return;
	index_close(k->ix);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->mutex);
	free(k);
}
