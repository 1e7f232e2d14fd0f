/*
 * Hits are merged by entry, and refusals by URL. Both are cut into chunks that fit into a transaction next to other
 * work.
 *
 * Each hit is a row somewhere else in the index, so hits are written at a limited pace: while some are written, the
 * next ones are gathered and merged. So up to a thousand URLs are counted with the next tick. Of very many URLs, each
 * row is written once in a while, with all its hits, and the writer is not busy with nothing else. Only when there is
 * no room for more are all gathered hits queued at once.
 */
#include "store/usage.h"

#include "base/hash.h"
#include "index/entry_write.h"
#include "index/host.h"
#include "index/refusals.h"
#include "index/traffic.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 65536 /* a power of two */
#define GATHERED 49152
#define CHUNK 250
#define PACE 1000 /* entries whose hits are written with each tick */
#define REFUSALS 250
#define REFUSALS_KEPT 10000

struct hit {
	int64_t id, hits, used_at;
};

struct refusal {
	uint64_t hash;
	char *url, *reason;
	int status;
	int64_t at, times;
};

struct hits {
	int count;
	struct hit of[GATHERED];
};

struct usage {
	struct writer *writer;
	pthread_mutex_t mutex; /* guards all below */
	uint16_t slots[SLOTS]; /* 1 and up: the place of the entry in `gathering`; open addressing */
	struct hits *gathering, *draining, both[2];
	int drained; /* of draining */
	struct refusal refusals[REFUSALS];
	int refused;
	struct traffic misses;
};

struct hits_op {
	struct writer_op op;
	int count;
	struct hit hits[CHUNK];
};

struct refusals_op {
	struct writer_op op;
	int count;
	struct refusal refusals[REFUSALS];
};

struct misses_op {
	struct writer_op op;
	struct traffic traffic;
};

struct usage *usage_new(struct writer *writer)
{
	struct usage *u = calloc(1, sizeof *u);
	if (u == NULL)
		return NULL;
	u->writer = writer;
	u->gathering = &u->both[0];
	u->draining = &u->both[1];
	pthread_mutex_init(&u->mutex, NULL);
	return u;
}

static void refusals_free(struct refusal *r, int count)
{
	for (int i = 0; i < count; i++) {
		free(r[i].url);
		free(r[i].reason);
	}
}

void usage_free(struct usage *u)
{
	if (u == NULL)
		return;
	refusals_free(u->refusals, u->refused);
	pthread_mutex_destroy(&u->mutex);
	free(u);
}

/* --- writing --- */

/* Adds what the hits saved to the traffic of the host. */
static int account(struct traffic *t, struct index *ix, const struct hit *h)
{
	char host[INDEX_HOST];
	int64_t bytes;
	if (h->id < 0)
		return 0; /* a part: how much of it was used is not known here */
	enum index_result found = index_hit_of(ix, h->id, host, sizeof host, &bytes);
	if (found != INDEX_FOUND)
		return found == INDEX_ABSENT ? 0 : -1;
	struct index_traffic more = {.hits = h->hits, .hit_bytes = h->hits * bytes};
	if (traffic_add(t, h->used_at, host, &more))
		return 0;
	int result = traffic_write(t, ix);
	traffic_add(t, h->used_at, host, &more);
	return result;
}

static int hits_run(struct writer_op *op, struct index *ix)
{
	struct hits_op *h = (struct hits_op *)op;
	struct traffic traffic = {.count = 0};
	int result = 0;
	for (int i = 0; i < h->count && result == 0; i++) {
		result = index_used(ix, h->hits[i].id, h->hits[i].hits, h->hits[i].used_at);
		if (result == 0)
			result = account(&traffic, ix, &h->hits[i]);
	}
	return result == 0 ? traffic_write(&traffic, ix) : result;
}

static int misses_run(struct writer_op *op, struct index *ix)
{
	struct traffic traffic = ((struct misses_op *)op)->traffic;
	return traffic_write(&traffic, ix);
}

static void hits_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free(op);
}

static int refusals_run(struct writer_op *op, struct index *ix)
{
	struct refusals_op *r = (struct refusals_op *)op;
	int result = 0;
	for (int i = 0; i < r->count && result == 0; i++) {
		const struct refusal *x = &r->refusals[i];
		result = index_refuse(ix, x->url, x->reason, x->status, x->at, x->times);
	}
	return result == 0 ? index_refusals_trim(ix, REFUSALS_KEPT) : -1;
}

static void refusals_done(struct writer_op *op, bool committed)
{
	(void)committed;
	struct refusals_op *r = (struct refusals_op *)op;
	refusals_free(r->refusals, r->count);
	free(r);
}

/* The caller of the two functions below holds the mutex. */

static void drain_hits(struct usage *u, int most)
{
	struct hits *from = u->draining;
	while (most > 0 && u->drained < from->count) {
		struct hits_op *h = malloc(sizeof *h);
		int n = from->count - u->drained;
		if (h == NULL)
			return;
		n = n > CHUNK ? CHUNK : n;
		h->op = (struct writer_op){.run = hits_run, .done = hits_done};
		h->count = n;
		memcpy(h->hits, from->of + u->drained, (size_t)n * sizeof h->hits[0]);
		writer_queue(u->writer, &h->op, true);
		u->drained += n;
		most -= n;
	}
}

/* Queues the hits of up to `most` entries. New ones follow when all earlier ones are queued. */
static void flush_hits(struct usage *u, int most)
{
	int before = u->drained;
	drain_hits(u, most);
	if (u->drained < u->draining->count || u->gathering->count == 0)
		return;
	most -= u->drained - before;
	struct hits *full = u->gathering;
	u->gathering = u->draining;
	u->gathering->count = 0;
	memset(u->slots, 0, sizeof u->slots);
	u->draining = full;
	u->drained = 0;
	drain_hits(u, most);
}

static void flush_refusals(struct usage *u)
{
	if (u->refused == 0)
		return;
	struct refusals_op *r = malloc(sizeof *r);
	if (r != NULL) {
		r->op = (struct writer_op){.run = refusals_run, .done = refusals_done};
		r->count = u->refused;
		memcpy(r->refusals, u->refusals, (size_t)u->refused * sizeof r->refusals[0]);
		writer_queue(u->writer, &r->op, true);
	} else {
		refusals_free(u->refusals, u->refused);
	}
	u->refused = 0;
}

static void flush_misses(struct usage *u)
{
	struct misses_op *m = u->misses.count > 0 ? malloc(sizeof *m) : NULL;
	if (m != NULL) {
		m->op = (struct writer_op){.run = misses_run, .done = hits_done};
		m->traffic = u->misses;
		writer_queue(u->writer, &m->op, true);
	}
	u->misses.count = 0;
}

void usage_flush(struct usage *u, bool all)
{
	pthread_mutex_lock(&u->mutex);
	flush_hits(u, all ? INT_MAX : PACE);
	flush_misses(u);
	flush_refusals(u);
	pthread_mutex_unlock(&u->mutex);
}

/* --- gathering --- */

void usage_hits(struct usage *u, int64_t id, int64_t hits, int64_t used_at)
{
	if (id == 0)
		return;
	pthread_mutex_lock(&u->mutex);
	uint64_t at = (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 48; /* 16 bits: SLOTS */
	while (u->slots[at] != 0 && u->gathering->of[u->slots[at] - 1].id != id)
		at = (at + 1) % SLOTS;
	if (u->slots[at] == 0 && u->gathering->count == GATHERED) {
		flush_hits(u, u->draining->count - u->drained); /* this empties the slots, unless memory is short */
		while (u->slots[at] != 0)
			at = (at + 1) % SLOTS;
	}
	if (u->gathering->count == GATHERED && u->slots[at] == 0) { /* no memory to flush with */
		pthread_mutex_unlock(&u->mutex);
		return;
	}
	if (u->slots[at] == 0) {
		u->gathering->of[u->gathering->count] = (struct hit){.id = id};
		u->slots[at] = (uint16_t)++u->gathering->count;
	}
	struct hit *h = &u->gathering->of[u->slots[at] - 1];
	h->hits += hits;
	if (used_at > h->used_at)
		h->used_at = used_at;
	pthread_mutex_unlock(&u->mutex);
}

void usage_miss(struct usage *u, const char *url, int64_t bytes, int64_t at)
{
	char host[INDEX_HOST];
	struct index_traffic more = {.misses = 1, .miss_bytes = bytes};
	index_host_of(url, host, sizeof host);
	pthread_mutex_lock(&u->mutex);
	if (!traffic_add(&u->misses, at, host, &more)) {
		flush_misses(u);
		traffic_add(&u->misses, at, host, &more);
	}
	pthread_mutex_unlock(&u->mutex);
}

void usage_refusal(struct usage *u, const char *url, const char *reason, int status, int64_t at)
{
	uint64_t hash = hash_text(HASH_BEGIN, url);
	char *why = strdup(reason);
	pthread_mutex_lock(&u->mutex);
	int i = 0;
	while (i < u->refused && (u->refusals[i].hash != hash || strcmp(u->refusals[i].url, url) != 0))
		i++;
	if (i == REFUSALS) {
		flush_refusals(u);
		i = 0;
	}
	struct refusal *r = &u->refusals[i];
	if (i == u->refused) {
		*r = (struct refusal){.hash = hash, .url = strdup(url)};
		if (r->url != NULL && why != NULL)
			u->refused++;
		else
			free(r->url);
	} else if (why != NULL) {
		free(r->reason);
	}
	if (why != NULL && i < u->refused) {
		r->reason = why;
		r->status = status;
		r->at = at;
		r->times++;
		why = NULL;
	}
	pthread_mutex_unlock(&u->mutex);
	free(why);
}
