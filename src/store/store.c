/*
 * Joins rows (index) with body files, and keeps the promises that neither can keep alone. A stored response goes
 *through these states:
 *
 *	1. in flight   body_begin(): a file without a row. Sweeps leave it alone while this process lives.
 *	2. sealed      body_seal(): complete and in its place, still without a row
 *	3. stored      store_put(), by the writer: the row is committed and owns the file (invariant 1)
 *	4. removed     any DELETE or UPDATE: a trigger puts the file's name into trash
 *	5. gone        maintenance unlinks the file (invariant 4)
 *
 * body_free() unlinks a body that reaches 2 and not 3. After a crash between 1 and 3, the sweep finds the file by its
 * lease (orphans.c).
 *
 * There are no locks here. Each of the parts has its own.
 */
#include "store/store.h"

#include "base/log.h"
#include "base/owner.h"
#include "body/body_leases.h"
#include "index/ballast.h"
#include "index/leases.h"
#include "index/settings.h"
#include "index/setup.h"
#include "index/transaction.h"
#include "store/maintenance_state.h"
#include "store/quota.h"
#include "store/store_struct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p. The mode is private, because the owner decides who may read what was fetched. */
static int make_directories(const char *dir)
{
	char *path = strdup(dir);
	if (path == NULL)
		return -1;
	int rc = 0;
	for (char *p = path + 1; rc == 0; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char was = *p;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			rc = -1;
		*p = was;
		if (was == '\0')
			break;
	}
	int saved = errno;
	free(path);
	errno = saved;
	return rc;
}

int store_can_be_in(const char *dir)
{
	return make_directories(dir) == 0 ? faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) : -1;
}

/* https://bford.info/cachedir/: backup programs skip such directories. */
static void tag_directory(int dir_fd)
{
	static const char text[] =
	    "Signature: 8a477f597d28d172789f06886806bc55\n"
	    "# This file marks a cache directory, made by curlew. What is in it can be fetched again.\n";
	struct owner owner = owner_of(dir_fd);
	int fd = owner_open(&owner, dir_fd, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_EXCL, owner.file);
	if (fd < 0)
		return;
	if (write(fd, text, sizeof text - 1) != (ssize_t)sizeof text - 1)
		unlinkat(dir_fd, "CACHEDIR.TAG", 0);
	close(fd);
}

/* Finds the bodies that an earlier boot left unsynced (invariant 7). */
static int find_unsynced(struct store *s, struct buf *why)
{
	enum { PIECE = 64 };
	struct index_lease leases[PIECE];
	struct index *ix = index_open(s->dir, INDEX_MAINTENANCE, why);
	if (ix == NULL)
		return -1;
	int n, result = 0;
	int64_t after = 0;
	do {
		n = index_leases(ix, after, leases, PIECE);
		for (int i = 0; i < n; i++) {
			const struct index_lease *l = &leases[i];
			after = l->id;
			if (strcmp(l->boot, s->boot) != 0 && unsynced_add(s->unsynced, l->id, l->synced, l->end) < 0)
				result = -1;
		}
	} while (n == PIECE);
	index_close(ix);
	if (n < 0 || result < 0)
		buf_addf(why, "%s/index.db: it is not known which bodies a power cut may have torn", s->dir);
	return n < 0 ? -1 : result;
}

static void tick(void *ctx, bool log_full);

/* No other process uses the cache, so the servers that recorded their settings are dead. If a shell holds the lock,
 * the next start removes them. */
static void forget_the_dead(struct index *ix)
{
	if (index_begin(ix, "removing the settings of dead servers") != INDEX_BEGUN)
		return;
	index_setting_remove(ix, "server*");
	index_setting_remove(ix, "unwritable");
	if (index_commit(ix) < 0)
		index_abort(ix);
}

static void set_unreachable(const struct store_config *config)
{
	if (config->unreachable != NULL)
		*config->unreachable = true;
}

/* Opens the directory and its lock, and the index for writing, under the setup lock. *alone: no other process uses the
 * cache. NULL with why. */
static struct index *open_index(struct store *s, const struct store_config *config, bool *alone, struct buf *why)
{
	if (make_directories(s->dir) < 0 || (s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    (s->lock = file_lock_open(s->dir_fd)) == NULL) {
		buf_addf(why, "%s: cannot be used as a cache directory: %s (--cache DIR names another)", s->dir,
		    strerror(errno));
		set_unreachable(config);
		return NULL;
	}
	if (file_lock_setup_begin(s->lock) < 0) {
		buf_addf(why, "%s/lock: another curlew has been setting up this cache for ten seconds: %s", s->dir,
		    strerror(errno));
		return NULL;
	}
	ballast_drop(s->dir_fd); /* SQLite needs some room to start */
	struct index *ix = NULL;
	*alone = file_lock_join(s->lock);
	int rc = index_setup(s->dir, config->mode, *alone, why);
	if (rc == 0)
		ix = index_open(s->dir, INDEX_WRITER, why);
	else if (rc == INDEX_UNREACHABLE)
		set_unreachable(config);
	if (ix != NULL && *alone)
		forget_the_dead(ix);
	file_lock_setup_end(s->lock);
	if (ix != NULL)
		tag_directory(s->dir_fd);
	return ix;
}

static int start_maintenance(struct store *s, const struct store_config *config, bool alone, struct buf *why)
{
	struct maintenance_config maintenance = {.dir = s->dir,
	    .dir_fd = s->dir_fd,
	    .boot = s->boot,
	    .alone = alone,
	    .limits = config->limits,
	    .lock = s->lock,
	    .writer = s->writer,
	    .bodies = s->bodies,
	    .unsynced = s->unsynced,
	    .tick = tick,
	    .ctx = s};
	s->maintenance = maintenance_start(&maintenance, why);
	return s->maintenance != NULL ? 0 : -1;
}

/* Makes everything, from the directory to the threads. After an error store_close() undoes what was made. */
static int start(struct store *s, const struct store_config *config, struct buf *why)
{
	body_boot(s->boot, sizeof s->boot);
	s->dir = strdup(config->dir);
	if (s->dir == NULL || (s->unsynced = unsynced_new()) == NULL) {
		buf_adds(why, "no memory for the cache");
		return -1;
	}
	bool alone;
	struct index *ix = open_index(s, config, &alone, why);
	if (ix == NULL)
		return -1;
	s->writer = writer_start(ix, s->dir);
	if (s->writer == NULL || (s->tombstones = tombstones_new(s->writer)) == NULL ||
	    (s->usage = usage_new(s->writer)) == NULL || (s->disk = disk_start()) == NULL) {
		buf_adds(why, "no memory or threads for the cache");
		return -1;
	}
	struct index *guest = index_open(s->dir, INDEX_MAINTENANCE, why);
	if (guest == NULL)
		return -1;
	s->bodies = bodies_open(s->dir_fd, s->lock, s->writer, guest, s->boot);
	index_close(guest);
	if (s->bodies == NULL) {
		buf_addf(why, "%s/body: cannot be used: %s", s->dir, strerror(errno));
		return -1;
	}
	if (find_unsynced(s, why) < 0 || (s->pool = reader_pool_open(s->dir, why)) == NULL ||
	    (s->ruleset = ruleset_open(s->dir, why)) == NULL)
		return -1;
	return start_maintenance(s, config, alone, why);
}

struct store *store_open(const struct store_config *config, struct buf *why)
{
	struct store *s = calloc(1, sizeof *s);
	if (s == NULL) {
		buf_adds(why, "no memory for the cache");
		return NULL;
	}
	s->dir_fd = -1;
	if (start(s, config, why) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
}

void store_set_limits(struct store *s, const struct store_limits *limits)
{
	maintenance_set_limits(s->maintenance, limits);
}

void store_hurry(struct store *s)
{
	writer_hurry(s->writer);
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->writer != NULL)
		writer_hurry(s->writer);
	if (s->noted)
		store_note_server(s, "");
	disk_stop(s->disk);
	if (s->maintenance != NULL)
		maintenance_stop(s->maintenance);
	if (s->usage != NULL)
		usage_flush(s->usage, true);
	if (s->writer != NULL)
		writer_barrier(s->writer); /* the last rows get their bodies before the names are returned */
	if (s->bodies != NULL)
		bodies_return_leases(s->bodies);
	if (s->writer != NULL)
		writer_checkpoint(s->writer);
	writer_stop(s->writer);
	maintenance_free(s->maintenance);
	reader_pool_close(s->pool);
	ruleset_close(s->ruleset);
	bodies_free(s->bodies);
	usage_free(s->usage);
	unsynced_free(s->unsynced);
	file_lock_close(s->lock);
	tombstones_free(s->tombstones, s->dir);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	free(s->dir);
	free(s);
}

/* Called on the maintenance thread. */
static void tick(void *ctx, bool log_full)
{
	struct store *s = ctx;
	if (!log_full) /* usage can wait, and would make the WAL longer */
		usage_flush(s->usage, false);
	tombstones_retry(s->tombstones);
}

const struct store_rules *store_rules_take(struct store *s, int64_t generation)
{
	return ruleset_take(s->ruleset, generation);
}

void store_rules_hold(const struct store_rules *rules)
{
	ruleset_hold(rules);
}

void store_rules_drop(const struct store_rules *rules)
{
	ruleset_drop(rules);
}

void store_on_disk(struct store *s, struct disk_job *job)
{
	disk_queue(s->disk, job);
}

struct body *body_begin(struct store *s, bool whole)
{
	return bodies_begin(s->bodies, whole);
}

bool store_have_name(struct store *s)
{
	return bodies_have_name(s->bodies);
}

void store_used(struct store *s, int64_t id, int64_t hits, int64_t used_at)
{
	usage_hits(s->usage, id, hits, used_at);
}

void store_fetched(struct store *s, const char *url, int64_t bytes, int64_t at)
{
	usage_miss(s->usage, url, bytes, at);
}

void store_refuse(struct store *s, const char *url, const char *reason, int status, int64_t at)
{
	if (!maintenance_log_full(s->maintenance))
		usage_refusal(s->usage, url, reason, status, at);
}

int store_purge(
    struct store *s, const struct purging *p, enum purging_how how, struct purging_result *result, struct buf *why)
{
	return purging_run(s->dir, p, how, result, why);
}

struct note {
	struct writer_op op;
	char name[32];
	char text[]; /* "" removes the setting */
};

static int note_run(struct writer_op *op, struct index *ix)
{
	const struct note *n = (struct note *)op;
	return n->text[0] != '\0' ? index_setting_set(ix, n->name, n->text) : index_setting_remove(ix, n->name);
}

static void note_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free((struct note *)op);
}

void store_note_server(struct store *s, const char *settings)
{
	struct note *n = calloc(1, sizeof *n + strlen(settings) + 1);
	if (n == NULL)
		return;
	n->op = (struct writer_op){.run = note_run, .done = note_done};
	snprintf(n->name, sizeof n->name, "server %lld", (long long)file_lock_owner(s->lock));
	strcpy(n->text, settings);
	s->noted = settings[0] != '\0';
	writer_queue(s->writer, &n->op, false);
}

void store_flush(struct store *s)
{
	usage_flush(s->usage, true);
	writer_barrier(s->writer);
}

const char *store_stopped(const struct store *s)
{
	return maintenance_stopped(s->maintenance);
}

const char *store_reserve(struct store *s, int64_t bytes)
{
	return quota_reserve(s->maintenance, bytes);
}

void store_release(struct store *s, int64_t bytes)
{
	quota_release(s->maintenance, bytes);
}

bool store_short(const struct store *s)
{
	return quota_short(s->maintenance);
}

bool store_swept(const struct store *s)
{
	return maintenance_swept(s->maintenance);
}
