/*
 * There is one reading connection and a mutex. It asks for data_version first, as a loop does (change_counter.c), then
 * for the generation of the rules, and reads the rules only if that has changed. So a look costs about a microsecond.
 * Sets are counted, so a request keeps the set that it began with.
 */
#include "store/ruleset.h"

#include "index/counters.h"
#include "index/index.h"
#include "index/rules.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct set {
	struct store_rules rules; /* the first member: ruleset_drop() converts the pointer */
	atomic_uint refs;
};

struct ruleset {
	pthread_mutex_t mutex; /* guards all below */
	struct index *ix;
	int64_t version;
	struct set *set; /* the current set; NULL before the first look */
};

static void set_drop(struct set *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	rules_free((struct rules *)s->rules.rules);
	free(s);
}

struct ruleset *ruleset_open(const char *dir, struct buf *why)
{
	struct ruleset *b = calloc(1, sizeof *b);
	if (b == NULL) {
		buf_adds(why, "no memory for the rules");
		return NULL;
	}
	pthread_mutex_init(&b->mutex, NULL);
	b->version = -1;
	b->ix = index_open(dir, INDEX_READER, why);
	b->set = calloc(1, sizeof *b->set);
	if (b->ix == NULL || b->set == NULL) {
		ruleset_close(b);
		return NULL;
	}
	atomic_init(&b->set->refs, 1);
	b->set->rules.generation = -1;
	return b;
}

void ruleset_close(struct ruleset *b)
{
	if (b == NULL)
		return;
	set_drop(b->set);
	index_close(b->ix);
	pthread_mutex_destroy(&b->mutex);
	free(b);
}

/* The caller holds the mutex. */
static void look(struct ruleset *b)
{
	int64_t version = index_version(b->ix);
	if (version < 0 || version == b->version)
		return;
	int64_t purge_id, generation = index_generation(b->ix, &purge_id);
	if (generation < 0)
		return;
	if (generation != b->set->rules.generation) {
		struct set *s = calloc(1, sizeof *s);
		struct rules *rules = s != NULL ? index_rules(b->ix) : NULL;
		if (rules == NULL) {
			free(s);
			return;
		}
		/* If a change comes between the two reads, the set has it already, and the version of the next look
		 * differs again. */
		s->rules = (struct store_rules){rules, generation, purge_id};
		atomic_init(&s->refs, 1);
		set_drop(b->set);
		b->set = s;
	}
	b->version = version;
}

const struct store_rules *ruleset_take(struct ruleset *b, int64_t generation)
{
	pthread_mutex_lock(&b->mutex);
	if (generation < 0 || generation != b->set->rules.generation)
		look(b);
	struct set *s = b->set;
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&b->mutex);
	return &s->rules;
}

void ruleset_hold(const struct store_rules *rules)
{
	atomic_fetch_add(&((struct set *)(void *)rules)->refs, 1);
}

void ruleset_drop(const struct store_rules *rules)
{
	set_drop((struct set *)(void *)rules);
}
