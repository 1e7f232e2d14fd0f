/*
 * A round of chores at least twice a second, and more often while something is left to do. Each chore is bounded, so
 * that none delays the others:
 *
 *	empty_trash   finds new rows by data_version, within half a second of a commit by any process. It does nothing
 *	              while another process reclaims files or makes a backup (file_lock_reclaim_begin).
 *	quota         keeps --size, --max-entries and --min-free
 *	checkpoint    keeps the WAL short, and returns free pages when more than a quarter of the file is free
 *	sync_bodies   every half minute in which a body was sealed (invariant 7)
 *	orphans       removes what dead processes left, at the start and with each sync
 */
#include "store/maintenance.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "body/body_leases.h"
#include "body/folders.h"
#include "body/spool.h"
#include "index/ballast.h"
#include "index/leases.h"
#include "index/settings.h"
#include "index/traffic.h"
#include "store/checkpoint.h"
#include "store/empty_trash.h"
#include "store/maintenance_state.h"
#include "store/maintenance_struct.h"
#include "store/orphans.h"
#include "store/quota.h"
#include "store/sync_bodies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_MS 500
#define PAUSE_MS 20 /* between rounds while something is left to do */
#define SYNC_S 30
#define FIRST_SYNC_S 2 /* after the start: for what short-lived processes left */
#define TRAFFIC_KEPT_S (31 * 86400)

struct stopped {
	struct writer_op op;
	struct maintenance *maintenance;
	char why[400]; /* "" when storing is possible again */
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

/* Records for `curlew stats` why nothing is stored. */
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

/* Records for `curlew stats` which folders are skipped. */
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

bool maintenance_swept(const struct maintenance *k)
{
	return atomic_load(&k->swept);
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
	bool noted = !k->at.alone; /* else the recorded state is of a dead process */
	while (wait_round(k, outside)) {
		if (outside)
			outside = orphans_sweep_outside(k);
		atomic_store(&k->swept, !outside);
		if (!atomic_load(&k->away)) {
			empty_trash(k); /* first, so that rows that are evicted already are not evicted again */
			quota_keep(k);
		}
		if (clock_us() - ticked < ROUND_MS * 1000)
			continue;
		ticked = clock_us();
		atomic_store(&k->elsewhere, spool_bytes_elsewhere(k->at.bodies));
		k->at.tick(k->at.ctx, atomic_load(&k->full));
		checkpoint_wal(k);
		watch_bodies(k, time(NULL) - k->synced_at >= SYNC_S);
		if (!noted || atomic_load(&k->unwritten) || maintenance_stopped(k) != stopped) {
			noted = true;
			stopped = maintenance_stopped(k);
			note_stopped(k);
		}
		checkpoint_free_pages(k);
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
	/* Each short-lived process leaves a lease. If no process lives for long, the one that finds many leases syncs
	 * and removes them. */
	struct index_lease leases[SYNC_LEASES];
	if (index_leases(k->ix, 0, leases, SYNC_LEASES) == SYNC_LEASES)
		sync_bodies(k);
	return NULL;
}

static void note_limits(struct maintenance *k, const struct store_limits *limits)
{
	atomic_store(&k->size_bytes, limits->size_bytes);
	atomic_store(&k->max_entries, limits->max_entries);
	atomic_store(&k->min_free_bytes, limits->min_free_bytes);
	atomic_store(&k->min_free_percent, limits->min_free_percent);
}

struct maintenance *maintenance_start(const struct maintenance_config *config, struct buf *why)
{
	struct maintenance *k = calloc(1, sizeof *k);
	if (k == NULL) {
		buf_adds(why, "no memory for the maintenance thread");
		return NULL;
	}
	k->at = *config;
	note_limits(k, &config->limits);
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
		buf_adds(why, "the maintenance thread cannot be started");
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

/* --- for other threads --- */

void maintenance_set_limits(struct maintenance *k, const struct store_limits *limits)
{
	note_limits(k, limits);
	maintenance_kick(k);
}

int64_t maintenance_size_bytes(const struct maintenance *k)
{
	return atomic_load(&k->size_bytes);
}
