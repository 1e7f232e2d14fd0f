#include "store/store_find.h"

#include "base/log.h"
#include "base/stats.h"
#include "body/body_files.h"
#include "body/checksum.h"
#include "body/folders.h"
#include "http/groups.h"
#include "index/body_name.h"
#include "index/entry_read.h"
#include "index/entry_write.h"
#include "store/store_struct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_unsynced(struct store *s, const struct entry *e)
{
	return e->body_file != NULL && unsynced_has(s->unsynced, body_number(e->body_file));
}

/* Leaves out the rows that are in one of the groups. Returns how many are left. */
static size_t leave_out(struct index_rows *rows, const char *groups)
{
	size_t kept = 0;
	for (size_t i = 0; i < rows->count; i++) {
		if (groups_fields_meet(rows->entries[i]->headers, groups))
			entry_free(rows->entries[i]);
		else
			rows->entries[kept++] = rows->entries[i];
	}
	rows->count = kept;
	if (kept == 0)
		index_rows_free(rows);
	return kept;
}

enum index_result store_find(struct store *s, const char *url, struct index_rows *rows)
{
	*rows = (struct index_rows){0};
	/* The order matters. Bumps first: a later invalidation then makes the counter differ from that of these
	 * entries. Then the tombstones, then the rows: once a tombstone is gone, the deletion is committed and the row
	 * is not found. */
	int64_t bumps = atomic_load(&s->bumps);
	struct buf groups;
	buf_init(&groups, BUF_PAGE);
	enum index_result found = INDEX_ABSENT;
	if (!tombstones_has(s->tombstones, url, &groups)) {
		struct index *ix = reader_pool_take(s->pool);
		found = ix != NULL ? index_find(ix, url, rows) : INDEX_BROKEN;
		if (ix != NULL)
			reader_pool_give(s->pool, ix);
	}
	if (groups.len > 0 && leave_out(rows, buf_str(&groups)) == 0 && found == INDEX_FOUND)
		found = INDEX_ABSENT;
	buf_fini(&groups);
	for (size_t i = 0; i < rows->count; i++) {
		rows->entries[i]->edits += bumps;
		rows->entries[i]->unsynced = is_unsynced(s, rows->entries[i]);
		for (struct entry *copy = rows->entries[i]->copies; copy != NULL; copy = copy->next_copy)
			copy->unsynced = is_unsynced(s, copy);
	}
	return found;
}

struct broken {
	struct writer_op op;
	int64_t id;
	char body_file[];
};

static int broken_run(struct writer_op *op, struct index *ix)
{
	struct broken *b = (struct broken *)op;
	return index_drop(ix, b->id, b->body_file);
}

static void broken_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free((struct broken *)op);
}

/* Invariant 3. The row is looked up once more, because it may have been replaced. It is deleted by id and body_file,
 * and only while body/ is there: if a disk is not mounted, a missing file says nothing about its row. */
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

int store_open_verified(
    struct store *s, const char *file, int64_t bytes, bool unsynced, const unsigned char *sha256_or_null)
{
	int64_t number = body_number(file);
	int fd = bodies_open_file(s->bodies, file, bytes);
	if (fd == -2) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("body", "%s/%s: %s", s->dir, file, strerror(errno));
	}
	if (fd < 0 || !(unsynced || unsynced_has(s->unsynced, number)))
		return fd;
	if (sha256_or_null != NULL && checksum_matches(fd, sha256_or_null, NULL)) {
		unsynced_clear(s->unsynced, number);
		return fd;
	}
	close(fd);
	return -1;
}

int store_open_body(struct store *s, const struct entry *e)
{
	/* A row that was unsynced when it was read is verified in any case: the sweep may have finished with its lease
	 * since, and deleted this row. */
	int fd = store_open_verified(s, e->body_file, e->body_bytes, e->unsynced, e->has_sha256 ? e->sha256 : NULL);
	if (fd == -2)
		return -1;
	if (fd < 0)
		drop_broken(s, e);
	return fd;
}
