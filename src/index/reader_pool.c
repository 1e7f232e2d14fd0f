/*
 * The connection that was given back last is lent first, so that few connections stay warm. There are at most POOL_MAX,
 * whatever the number of threads: a look-up takes microseconds, and each connection costs memory and descriptors.
 */
#include "index/reader_pool.h"

#include "base/log.h"
#include "base/stats.h"
#include "index/index.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define POOL_MAX 8

struct reader_pool {
	char *dir;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t given;
	struct index *idle[POOL_MAX];
	int idle_count, open_count;
};

struct reader_pool *reader_pool_open(const char *dir, struct buf *why)
{
	struct reader_pool *p = calloc(1, sizeof *p);
	if (p == NULL || (p->dir = strdup(dir)) == NULL || (p->idle[0] = index_open(dir, INDEX_READER, why)) == NULL) {
		if (p != NULL)
			free(p->dir);
		free(p);
		return NULL;
	}
	p->idle_count = p->open_count = 1;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->given, NULL);
	return p;
}

void reader_pool_close(struct reader_pool *p)
{
	if (p == NULL)
		return;
	while (p->idle_count > 0)
		index_close(p->idle[--p->idle_count]);
	pthread_cond_destroy(&p->given);
	pthread_mutex_destroy(&p->mutex);
	free(p->dir);
	free(p);
}

static struct index *open_another(struct reader_pool *p)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	struct index *ix = index_open(p->dir, INDEX_READER, &why);
	if (ix == NULL) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("index open", "%s (responses are served, but not stored)", buf_str(&why));
		pthread_mutex_lock(&p->mutex);
		p->open_count--;
		pthread_cond_signal(&p->given);
		pthread_mutex_unlock(&p->mutex);
	}
	buf_fini(&why);
	return ix;
}

struct index *reader_pool_take(struct reader_pool *p)
{
	struct index *ix = NULL;
	pthread_mutex_lock(&p->mutex);
	while (p->idle_count == 0 && p->open_count == POOL_MAX)
		pthread_cond_wait(&p->given, &p->mutex);
	if (p->idle_count > 0)
		ix = p->idle[--p->idle_count];
	else
		p->open_count++;
	pthread_mutex_unlock(&p->mutex);
	return ix != NULL ? ix : open_another(p);
}

void reader_pool_give(struct reader_pool *p, struct index *ix)
{
	pthread_mutex_lock(&p->mutex);
	p->idle[p->idle_count++] = ix;
	pthread_cond_signal(&p->given);
	pthread_mutex_unlock(&p->mutex);
}
