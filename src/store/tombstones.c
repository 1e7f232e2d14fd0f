/* A hash table, because there may be thousands of them while the index is locked, and every look-up asks. */
#include "store/tombstones.h"

#include "base/hash.h"
#include "base/log.h"
#include "http/key.h"
#include "index/entry_tags.h"
#include "index/entry_write.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct url {
	struct writer_op op; /* first */
	struct tombstones *tombstones;
	struct url *next;
	bool failed;  /* to be queued again */
	bool more;    /* rows of the groups are left */
	char *groups; /* owned; NULL: a URL */
	char text[];  /* the normal URL; of groups, the origin and "*", which no URL is */
};

struct tombstones {
	struct writer *writer;
	atomic_int count;      /* so that a look-up costs one load while there are none */
	pthread_mutex_t mutex; /* guards the rest */
	struct url *buckets[BUCKETS];
	size_t group_count; /* of those listed, how many are groups */
};

static size_t bucket_of(const char *text)
{
	return hash_text(HASH_BEGIN, text) % BUCKETS;
}

struct tombstones *tombstones_new(struct writer *writer)
{
	struct tombstones *g = calloc(1, sizeof *g);
	if (g == NULL)
		return NULL;
	g->writer = writer;
	pthread_mutex_init(&g->mutex, NULL);
	return g;
}

static void free_url(struct url *u)
{
	free(u->groups);
	free(u);
}

void tombstones_free(struct tombstones *g, const char *dir)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (g->buckets[i] != NULL) {
			struct url *u = g->buckets[i];
			g->buckets[i] = u->next;
			log_say("%s: %s is still stored, though it was invalidated: another process kept the index "
				"locked (delete its row)",
			    dir, u->text);
			free_url(u);
		}
	}
	pthread_mutex_destroy(&g->mutex);
	free(g);
}

/* Under the mutex. */
static bool is_listed(const struct tombstones *g, const char *text)
{
	const struct url *u = g->buckets[bucket_of(text)];
	while (u != NULL && strcmp(u->text, text) != 0)
		u = u->next;
	return u != NULL;
}

/* Adds the groups that are listed for the origin of the URL. Under the mutex. 0, or -1: no memory. */
static int add_groups(const struct tombstones *g, const char *url, struct buf *groups)
{
	char *text = NULL;
	struct span origin = key_origin(url);
	if (asprintf(&text, "%.*s*", (int)origin.len, origin.at) < 0)
		return -1;
	for (const struct url *u = g->buckets[bucket_of(text)]; u != NULL; u = u->next)
		if (u->groups != NULL && strcmp(u->text, text) == 0)
			buf_adds(groups, u->groups);
	free(text);
	return groups->failed ? -1 : 0;
}

bool tombstones_has(struct tombstones *g, const char *url, struct buf *groups)
{
	char *normal;
	if (atomic_load(&g->count) == 0)
		return false;
	if (key_normal(url, &normal) != 0)
		return true; /* a miss is the safe result */
	const char *text = normal != NULL ? normal : url;
	pthread_mutex_lock(&g->mutex);
	bool listed = is_listed(g, text) || (g->group_count > 0 && add_groups(g, text, groups) != 0);
	pthread_mutex_unlock(&g->mutex);
	free(normal);
	return listed;
}

static int url_run(struct writer_op *op, struct index *ix)
{
	struct url *u = (struct url *)(void *)op;
	if (u->groups == NULL)
		return index_invalidate(ix, u->text);
	return index_invalidate_groups(ix, span_make(u->text, strlen(u->text) - 1), u->groups, &u->more);
}

/* After an error it stays: else a stored response would be served that the origin has invalidated. */
static void url_done(struct writer_op *op, bool committed)
{
	struct url *u = (struct url *)(void *)op;
	struct tombstones *g = u->tombstones;
	pthread_mutex_lock(&g->mutex);
	u->failed = !committed;
	bool again = committed && u->more, over = committed && !u->more;
	if (over) {
		struct url **at = &g->buckets[bucket_of(u->text)];
		while (*at != u)
			at = &(*at)->next;
		*at = u->next;
		atomic_fetch_sub(&g->count, 1);
		g->group_count -= u->groups != NULL;
	}
	pthread_mutex_unlock(&g->mutex);
	if (again)
		writer_queue(g->writer, &u->op, false);
	else if (over)
		free_url(u);
}

/* A text of n bytes, with room for one more. */
static struct url *new_url(const char *text, size_t n)
{
	struct url *u = calloc(1, sizeof *u + n + 2);
	if (u != NULL)
		memcpy(u->text, text, n);
	return u;
}

static void list(struct tombstones *g, struct url *u, void (*listed)(void *ctx), void *ctx)
{
	u->tombstones = g;
	u->op = (struct writer_op){.run = url_run, .done = url_done};
	pthread_mutex_lock(&g->mutex);
	struct url **at = &g->buckets[bucket_of(u->text)];
	u->next = *at;
	*at = u;
	g->group_count += u->groups != NULL;
	atomic_fetch_add(&g->count, 1);
	pthread_mutex_unlock(&g->mutex);
	listed(ctx);
	writer_queue(g->writer, &u->op, false);
}

void tombstones_add(struct tombstones *g, const char *url, void (*listed)(void *ctx), void *ctx)
{
	char *normal = NULL;
	int rc = key_normal(url, &normal);
	const char *text = normal != NULL ? normal : url;
	struct url *u = rc == 0 ? new_url(text, strlen(text)) : NULL;
	free(normal);
	if (u == NULL)
		log_trouble("memory", "no memory to invalidate %s", url);
	else
		list(g, u, listed, ctx);
}

void tombstones_add_groups(
    struct tombstones *g, struct span origin, const char *groups, void (*listed)(void *ctx), void *ctx)
{
	struct url *u = new_url(origin.at, origin.len);
	char *copy = u != NULL ? strdup(groups) : NULL;
	if (copy == NULL) {
		free(u);
		log_trouble("memory", "no memory to invalidate groups of %.*s", (int)origin.len, origin.at);
		return;
	}
	u->text[origin.len] = '*';
	u->groups = copy;
	list(g, u, listed, ctx);
}

void tombstones_retry(struct tombstones *g)
{
	if (atomic_load(&g->count) == 0)
		return;
	pthread_mutex_lock(&g->mutex);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct url *u = g->buckets[i]; u != NULL; u = u->next) {
			if (u->failed) {
				u->failed = false;
				writer_queue(g->writer, &u->op, false);
			}
		}
	}
	pthread_mutex_unlock(&g->mutex);
}
