/* A short list of ranges, with a bit for each name. After an ordinary start it is empty, and a look-up costs one
 * load. */
#include "store/unsynced.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct range {
	struct range *next;
	int64_t lease_id, first, end;
	unsigned char cleared[];
};

struct unsynced {
	atomic_int ranges;
	pthread_mutex_t mutex; /* guards the list */
	struct range *first;
};

struct unsynced *unsynced_new(void)
{
	struct unsynced *s = calloc(1, sizeof *s);
	if (s != NULL)
		pthread_mutex_init(&s->mutex, NULL);
	return s;
}

void unsynced_free(struct unsynced *s)
{
	if (s == NULL)
		return;
	while (s->first != NULL) {
		struct range *r = s->first;
		s->first = r->next;
		free(r);
	}
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

int unsynced_add(struct unsynced *s, int64_t lease_id, int64_t first, int64_t end)
{
	if (first >= end)
		return 0;
	struct range *r = calloc(1, sizeof *r + (size_t)(end - first + 7) / 8);
	if (r == NULL)
		return -1;
	r->lease_id = lease_id;
	r->first = first;
	r->end = end;
	pthread_mutex_lock(&s->mutex);
	r->next = s->first;
	s->first = r;
	pthread_mutex_unlock(&s->mutex);
	atomic_fetch_add(&s->ranges, 1);
	return 0;
}

void unsynced_remove(struct unsynced *s, int64_t lease_id)
{
	pthread_mutex_lock(&s->mutex);
	for (struct range **at = &s->first; *at != NULL; at = &(*at)->next) {
		struct range *r = *at;
		if (r->lease_id == lease_id) {
			*at = r->next;
			free(r);
			atomic_fetch_sub(&s->ranges, 1);
			break;
		}
	}
	pthread_mutex_unlock(&s->mutex);
}

static struct range *range_of(struct unsynced *s, int64_t name)
{
	struct range *r = s->first;
	while (r != NULL && (name < r->first || name >= r->end))
		r = r->next;
	return r;
}

bool unsynced_has(struct unsynced *s, int64_t name)
{
	if (atomic_load(&s->ranges) == 0)
		return false;
	pthread_mutex_lock(&s->mutex);
	const struct range *r = range_of(s, name);
	bool has = r != NULL && (r->cleared[(name - r->first) / 8] >> ((name - r->first) % 8) & 1) == 0;
	pthread_mutex_unlock(&s->mutex);
	return has;
}

void unsynced_clear(struct unsynced *s, int64_t name)
{
	pthread_mutex_lock(&s->mutex);
	struct range *r = range_of(s, name);
	if (r != NULL)
		r->cleared[(name - r->first) / 8] |= (unsigned char)(1 << ((name - r->first) % 8));
	pthread_mutex_unlock(&s->mutex);
}
