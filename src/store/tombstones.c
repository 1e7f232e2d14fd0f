/* A hash table, because there may be thousands of them while the index is locked, and every look-up asks. */
#include "store/tombstones.h"

#include "base/hash.h"
#include "base/log.h"
#include "http/key.h"
#include "index/entry_write.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct url {
	struct writer_op op; /* first */
	struct tombstones *tombstones;
	struct url *next;
	bool failed; /* to be queued again */
	char text[]; /* the normal URL */
};

struct tombstones {
	struct writer *writer;
	atomic_int count;      /* so that a look-up costs one load while there are none */
	pthread_mutex_t mutex; /* guards the rest */
	struct url *buckets[BUCKETS];
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
			free(u);
		}
	}
	pthread_mutex_destroy(&g->mutex);
	free(g);
}

bool tombstones_has(struct tombstones *g, const char *url)
{
	char *normal;
	if (atomic_load(&g->count) == 0)
		return false;
	if (key_normal(url, &normal) != 0)
		return true; /* a miss is the safe result */
	const char *text = normal != NULL ? normal : url;
	pthread_mutex_lock(&g->mutex);
	const struct url *u = g->buckets[bucket_of(text)];
	while (u != NULL && strcmp(u->text, text) != 0)
		u = u->next;
	pthread_mutex_unlock(&g->mutex);
	free(normal);
	return u != NULL;
}

static int url_run(struct writer_op *op, struct index *ix)
{
	return index_invalidate(ix, ((struct url *)(void *)op)->text);
}

/* After an error it stays: else a stored response would be served that the origin has invalidated. */
static void url_done(struct writer_op *op, bool committed)
{
	struct url *u = (struct url *)(void *)op;
	struct tombstones *g = u->tombstones;
	pthread_mutex_lock(&g->mutex);
	u->failed = !committed;
	if (committed) {
		struct url **at = &g->buckets[bucket_of(u->text)];
		while (*at != u)
			at = &(*at)->next;
		*at = u->next;
		atomic_fetch_sub(&g->count, 1);
	}
	pthread_mutex_unlock(&g->mutex);
	if (committed)
		free(u);
}

void tombstones_add(struct tombstones *g, const char *url, void (*listed)(void *ctx), void *ctx)
{
	char *normal = NULL;
	int rc = key_normal(url, &normal);
	const char *text = normal != NULL ? normal : url;
	size_t n = strlen(text) + 1;
	struct url *u = rc == 0 ? calloc(1, sizeof *u + n) : NULL;
	if (u == NULL) {
		log_trouble("memory", "no memory to invalidate %s", url);
		free(normal);
		return;
	}
	memcpy(u->text, text, n);
	free(normal);
	u->tombstones = g;
	u->op = (struct writer_op){.run = url_run, .done = url_done};
	pthread_mutex_lock(&g->mutex);
	struct url **at = &g->buckets[bucket_of(u->text)];
	u->next = *at;
	*at = u;
	atomic_fetch_add(&g->count, 1);
	pthread_mutex_unlock(&g->mutex);
	listed(ctx);
	writer_queue(g->writer, &u->op, false);
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
