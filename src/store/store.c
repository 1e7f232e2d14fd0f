/*
 * Joins the index (rows) with the body files, and upholds what neither can alone. A stored response lives through
 *
 *	1. in flight   body_begin(): a file without a row, safe from sweeps while this process lives
 *	2. sealed      body_seal(): complete and in its place, still without a row
 *	3. stored      store_put(), by the writer: the row is committed and owns the file (invariant 1)
 *	4. removed     by anybody's DELETE or UPDATE: a trigger puts the file's name into trash
 *	5. gone        by the keeper: the file is unlinked (invariant 4)
 *
 * A body that reaches 2 and not 3 is unlinked by body_free(); what a crash leaves between 1 and 3 the sweep finds by
 *its lease.
 *
 * Invalidation must hold from the moment store_invalidate() returns, and the writer may have to wait for somebody's
 *long transaction. So the URL stands in `gone` until its rows are deleted: look-ups here find nothing, and `bumps`, a
 *part of every edit counter this process hands out, moves so that answers held in memory are confirmed. Order matters
 *and is noted where it does.
 *
 * It has no locks of its own.
 */
#include "store/store_internal.h"

#include "base/log.h"
#include "base/owner.h"
#include "base/stats.h"
#include "body/bodies.h"
#include "body/body.h"
#include "body/body_files.h"
#include "body/body_leases.h"
#include "body/checksum.h"
#include "body/folders.h"
#include "index/ballast.h"
#include "index/body_name.h"
#include "index/edit.h"
#include "index/entry_read.h"
#include "index/entry_write.h"
#include "index/index.h"
#include "index/leases.h"
#include "index/part_write.h"
#include "index/purges.h"
#include "index/query.h"
#include "index/settings.h"
#include "index/setup.h"
#include "index/stored.h"
#include "index/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- opening and closing --- */

/* mkdir -p; private, because what one person fetched is nobody else's to read unless they say so. */
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

/* https://bford.info/cachedir/: backup programs leave such directories out. */
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

/* What an earlier boot left unsynced (invariant 7). */
static int find_suspects(struct store *s, struct buf *why)
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
		buf_addf(why, "%s/index.db: it cannot be told which bodies a power cut may have torn", s->dir);
	return n < 0 ? -1 : result;
}

static void tick(void *ctx, bool log_full);

/* Nobody else uses the cache: the servers that wrote down how they are set are dead. Where a shell has the lock it is
 * left to the next. */
static void forget_the_dead(struct index *ix)
{
	if (index_begin(ix, "forgetting dead servers") != INDEX_BEGUN)
		return;
	index_setting_remove(ix, "server*");
	index_setting_remove(ix, "unwritable");
	if (index_commit(ix) < 0)
		index_abort(ix);
}

/* Everything from the directory up to the threads; what there is of it is undone by store_close(). */
static int start(struct store *s, const struct store_config *config, struct buf *why)
{
	body_boot(s->boot, sizeof s->boot);
	s->dir = strdup(config->dir);
	if (s->dir == NULL || (s->unsynced = unsynced_new()) == NULL) {
		buf_adds(why, "no memory for the cache");
		return -1;
	}
	if (make_directories(s->dir) < 0 || (s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    (s->lock = file_lock_open(s->dir_fd)) == NULL) {
		buf_addf(why, "%s: cannot be used as a cache directory: %s (--cache DIR names another)", s->dir,
		    strerror(errno));
		return -1;
	}
	if (file_lock_setup_begin(s->lock) < 0) {
		buf_addf(why, "%s/lock: another curlew has been setting up this cache for ten seconds: %s", s->dir,
		    strerror(errno));
		return -1;
	}
	ballast_drop(s->dir_fd); /* SQLite wants some room to begin with */
	struct index *ix = NULL;
	bool alone = file_lock_join(s->lock);
	if (index_setup(s->dir, config->mode, alone, why) == 0)
		ix = index_open(s->dir, INDEX_WRITER, why);
	if (ix != NULL && alone)
		forget_the_dead(ix);
	file_lock_setup_end(s->lock);
	if (ix == NULL)
		return -1;
	tag_directory(s->dir_fd);

	s->writer = writer_start(ix, s->dir);
	if (s->writer == NULL || (s->tombstones = tombstones_new(s->writer)) == NULL ||
	    (s->usage = usage_new(s->writer)) == NULL || (s->disk = disk_start()) == NULL) {
		buf_adds(why, "no memory or threads for the cache");
		return -1;
	}
	struct index *asked = index_open(s->dir, INDEX_MAINTENANCE, why);
	if (asked == NULL)
		return -1;
	s->bodies = bodies_open(s->dir_fd, s->lock, s->writer, asked, s->boot);
	index_close(asked);
	if (s->bodies == NULL) {
		buf_addf(why, "%s/body: cannot be used: %s", s->dir, strerror(errno));
		return -1;
	}
	if (find_suspects(s, why) < 0 || (s->pool = reader_pool_open(s->dir, why)) == NULL ||
	    (s->ruleset = ruleset_open(s->dir, why)) == NULL)
		return -1;
	struct maintenance_config maintenance = {.dir = s->dir,
	    .dir_fd = s->dir_fd,
	    .boot = s->boot,
	    .alone = alone,
	    .size_bytes = config->size_bytes,
	    .max_entries = config->max_entries,
	    .min_free_bytes = config->min_free_bytes,
	    .min_free_percent = config->min_free_percent,
	    .lock = s->lock,
	    .writer = s->writer,
	    .bodies = s->bodies,
	    .unsynced = s->unsynced,
	    .tick = tick,
	    .ctx = s};
	s->maintenance = maintenance_start(&maintenance, why);
	return s->maintenance != NULL ? 0 : -1;
}

struct store *store_open(const struct store_config *config, struct buf *why)
{
	struct store *s = calloc(1, sizeof *s);
	if (s == NULL) {
		buf_adds(why, "no memory for the cache");
		return NULL;
	}
	s->dir_fd = -1;
	s->size_bytes = config->size_bytes;
	if (start(s, config, why) < 0) {
		store_close(s);
		return NULL;
	}
	return s;
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
		writer_barrier(s->writer); /* the last rows get their bodies before the names are given back */
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

/* --- URLs that are gone before their rows are --- */

bool store_has_tombstone(struct store *s, const char *url)
{
	return tombstones_has(s->tombstones, url);
}

/* After the URL is in its place, see store_find(). */
static void bump(void *ctx)
{
	struct store *s = ctx;
	atomic_fetch_add(&s->bumps, 1);
}

void store_invalidate(struct store *s, const char *url)
{
	tombstones_add(s->tombstones, url, bump, s);
}

/* On the keeper's thread. */
static void tick(void *ctx, bool log_full)
{
	struct store *s = ctx;
	if (!log_full) /* that can wait, and would make the log longer */
		usage_flush(s->usage, false);
	tombstones_retry(s->tombstones);
}

/* --- looking up --- */

static bool is_suspect(struct store *s, const struct entry *e)
{
	return e->body_file != NULL && unsynced_has(s->unsynced, body_number(e->body_file));
}

enum index_result store_find(struct store *s, const char *url, struct index_rows *rows)
{
	*rows = (struct index_rows){0};
	/* Bumps first: an invalidation from here on moves them away from what these entries will say. Then `gone`, then
	 * the rows: who is no longer in `gone` has been committed and is not found. */
	int64_t bumps = atomic_load(&s->bumps);
	if (store_has_tombstone(s, url))
		return INDEX_ABSENT;
	struct index *ix = reader_pool_take(s->pool);
	if (ix == NULL)
		return INDEX_BROKEN;
	enum index_result found = index_find(ix, url, rows);
	reader_pool_give(s->pool, ix);
	for (size_t i = 0; i < rows->count; i++) {
		rows->entries[i]->edits += bumps;
		rows->entries[i]->suspect = is_suspect(s, rows->entries[i]);
	}
	return found;
}

const struct store_rules *store_rules_take(struct store *s)
{
	return ruleset_take(s->ruleset);
}

void store_rules_drop(const struct store_rules *rules)
{
	ruleset_drop(rules);
}

struct broken {
	struct writer_op op;
	int64_t id;
	char body_file[];
};

static int broken_run(struct writer_op *op, struct index *ix)
{
	struct broken *b = OF(struct broken, op, op);
	return index_drop(ix, b->id, b->body_file);
}

static void broken_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free(OF(struct broken, op, op));
}

/* Invariant 3: looked up once more, because it may have been replaced meanwhile; deleted by id and body_file; and only
 * while body/ is there, because a file system that is not mounted says nothing about rows. */
static void drop_broken(struct store *s, const struct entry *e)
{
	if (!bodies_present(s->bodies)) {
		struct buf why;
		buf_init(&why, BUF_LINE);
		body_describe_absence(s->dir, &why);
		log_trouble("body away", "%s", buf_str(&why));
		buf_fini(&why);
		return;
	}
	struct index *ix = reader_pool_take(s->pool);
	enum index_result found = ix != NULL ? index_still(ix, e->id, e->body_file) : INDEX_BROKEN;
	if (ix != NULL)
		reader_pool_give(s->pool, ix);
	struct broken *b = found == INDEX_FOUND ? calloc(1, sizeof *b + strlen(e->body_file) + 1) : NULL;
	if (b == NULL)
		return;
	stats_add(STATS_BROKEN_ROWS, 1);
	strcpy(b->body_file, e->body_file);
	b->id = e->id;
	b->op = (struct writer_op){.run = broken_run, .done = broken_done};
	writer_queue(s->writer, &b->op, true);
}

int store_open_body(struct store *s, const struct entry *e)
{
	int fd = bodies_open_file(s->bodies, e->body_file, e->body_bytes);
	if (fd == -2) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("body", "%s/%s: %s", s->dir, e->body_file, strerror(errno));
		return -1;
	}
	if (fd >= 0 && (e->suspect || is_suspect(s, e))) { /* the sweep may have decided meanwhile, and not for this
							      file */
		if (e->has_sha256 && checksum_matches(fd, e->sha256, NULL)) {
			unsynced_clear(s->unsynced, body_number(e->body_file));
		} else {
			close(fd);
			fd = -1;
		}
	}
	if (fd < 0)
		drop_broken(s, e);
	return fd;
}

/* --- bodies --- */

void store_on_disk(struct store *s, struct disk_job *job)
{
	disk_queue(s->disk, job);
}

struct body *body_begin(struct store *s, bool whole)
{
	return bodies_begin(s->bodies, whole);
}

/* --- writing --- */

/* The entry says what body it has. */
static int name_body(struct entry *e, const struct body *body)
{
	const char *file = body != NULL ? body_file(body) : NULL;
	free(e->body_file);
	e->body_file = file != NULL ? strdup(file) : NULL;
	e->body_bytes = file != NULL ? body_bytes(body) : 0;
	e->has_sha256 = body != NULL;
	if (body != NULL)
		memcpy(e->sha256, body_sha256(body), sizeof e->sha256);
	return file != NULL && e->body_file == NULL ? -1 : 0;
}

static int put_run(struct writer_op *op, struct index *ix)
{
	struct store_put *put = OF(struct store_put, op, op);
	struct store *s = put->store;
	put->outcome = STORE_PUT_TROUBLE;
	if (maintenance_forbidden(s->maintenance) != NULL) {
		put->outcome = STORE_PUT_STOPPED;
		return 0;
	}
	if (name_body(put->entry, put->body) < 0)
		return -1;
	if (s->size_bytes > 0 && put->entry->body_bytes > s->size_bytes) {
		log_trouble("size", "%s: larger than the whole cache may be (--size), so not stored", put->entry->url);
		return -1;
	}
	if (index_purged(ix, put->entry->url, put->purge_id)) {
		put->outcome = STORE_PUT_PURGED;
		return 0;
	}
	enum index_stored stored = put->replaces != NULL ? index_replaceable(ix, put->replaces) : INDEX_STORED;
	if (put->of != NULL)
		stored = index_joinable(ix, put->entry, put->of);
	else if (put->replaces == NULL) /* what is to be replaced must not be evicted for what replaces it */
		quota_make_room(s->maintenance, ix, put->entry->body_bytes);
	if (stored == INDEX_STORED)
		stored = put->place != NULL ? index_put_part(ix, put->entry, put->place) : index_put(ix, put->entry);
	index_parts_free(&put->covered); /* of an attempt that was rolled back */
	switch (stored) {
	case INDEX_STORED:
		if (put->place != NULL && put->place->whole_bytes > 0)
			index_find_covered(ix, put->entry, &put->covered);
		/* What the counter said before this transaction: whatever else is in it, the entry is confirmed if it
		 * counts. */
		put->entry->edits = index_begun_edits(ix) + atomic_load(&s->bumps);
		put->outcome = STORE_PUT_DONE;
		return 0;
	case INDEX_PURGED:
		put->outcome = STORE_PUT_PURGED;
		return 0;
	case INDEX_CHANGED:
		put->outcome = STORE_PUT_CHANGED;
		return 0;
	case INDEX_UNSTORED:
		break;
	}
	return -1;
}

static void put_done(struct writer_op *op, bool committed)
{
	struct store_put *put = OF(struct store_put, op, op);
	struct store *s = put->store;
	enum store_put_outcome outcome = committed ? (enum store_put_outcome)put->outcome : STORE_PUT_TROUBLE;
	if (outcome == STORE_PUT_TROUBLE) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("unstored", "%s: answers go unstored: the index cannot take them now", s->dir);
		maintenance_failed(s->maintenance);
	} else if (outcome == STORE_PUT_DONE) {
		if (put->entry->body_file != NULL)
			body_set_owned(put->body);
		if (store_has_tombstone(s, put->entry->url))
			put->entry->edits = -1; /* its invalidation is queued behind it: never as it stands */
		quota_stored(s->maintenance, put->entry->body_bytes);
	}
	put->done(put, outcome);
}

void store_put(struct store *s, struct store_put *put)
{
	put->store = s;
	put->outcome = STORE_PUT_TROUBLE;
	put->op = (struct writer_op){.run = put_run, .done = put_done};
	writer_queue(s->writer, &put->op, true);
}

static int refresh_run(struct writer_op *op, struct index *ix)
{
	const struct store_refresh *r = OF(struct store_refresh, op, op);
	return r->now != NULL ? index_refresh(ix, r->was, r->now) : index_withdraw(ix, r->was);
}

static void refresh_done(struct writer_op *op, bool committed)
{
	(void)committed;
	struct store_refresh *r = OF(struct store_refresh, op, op);
	r->done(r);
}

void store_refresh(struct store *s, struct store_refresh *r)
{
	r->op = (struct writer_op){.run = refresh_run, .done = refresh_done};
	writer_queue(s->writer, &r->op, true);
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

struct note {
	struct writer_op op;
	char name[32];
	char text[]; /* "" to remove it */
};

static int note_run(struct writer_op *op, struct index *ix)
{
	const struct note *n = OF(struct note, op, op);
	return n->text[0] != '\0' ? index_setting_set(ix, n->name, n->text) : index_setting_remove(ix, n->name);
}

static void note_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free(OF(struct note, op, op));
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

int store_query(const char *dir, const char *sql, const char *const *params, size_t param_count,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why)
{
	return index_query(dir, sql, params, param_count, row, ctx, why);
}

int store_change(
    const char *dir, const char *sql, const char *const *params, size_t param_count, int64_t *changed, struct buf *why)
{
	return index_change(dir, sql, params, param_count, changed, why);
}

int store_change_rows(const char *dir, const char *sql, const char *const *params, size_t param_count, bool maintenance,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why)
{
	return index_change_rows(dir, sql, params, param_count, maintenance, row, ctx, why);
}

int store_change_each(const char *dir, const char *sql, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why)
{
	return index_change_each(dir, sql, ids, count, progress, ctx, changed, why);
}
