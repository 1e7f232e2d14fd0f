/*
 * A client is represented by the first of its items: that one stands in the line of turns and in a hash bucket. When it
 * is taken, the next one of the client takes its place in the bucket and goes to the end of the line.
 */
#include "net/fair_queue.h"

static struct fair_item **bucket_of(struct fair_queue *q, uint64_t client)
{
	uint64_t mixed = client * 0x9e3779b97f4a7c15u;
	return &q->buckets[mixed >> 56];
}

static void line_up(struct fair_queue *q, struct fair_item *i)
{
	i->turn_before = q->last;
	i->turn_next = NULL;
	if (q->last != NULL)
		q->last->turn_next = i;
	else
		q->first = i;
	q->last = i;
}

void fair_push(struct fair_queue *q, struct fair_item *i)
{
	struct fair_item **bucket = bucket_of(q, i->client), *first = *bucket;
	i->next = NULL;
	q->count++;
	while (first != NULL && first->client != i->client)
		first = first->bucket_next;
	if (first != NULL) {
		first->last->next = i;
		first->last = i;
		return;
	}
	i->last = i;
	i->bucket_next = *bucket;
	*bucket = i;
	line_up(q, i);
}

/* Takes the first item of a client. */
static void take(struct fair_queue *q, struct fair_item *i)
{
	struct fair_item **at = bucket_of(q, i->client);
	while (*at != i)
		at = &(*at)->bucket_next;
	if (i->turn_before != NULL)
		i->turn_before->turn_next = i->turn_next;
	else
		q->first = i->turn_next;
	if (i->turn_next != NULL)
		i->turn_next->turn_before = i->turn_before;
	else
		q->last = i->turn_before;
	q->count--;
	struct fair_item *next = i->next;
	*at = next != NULL ? next : i->bucket_next;
	if (next != NULL) {
		next->last = i->last;
		next->bucket_next = i->bucket_next;
		line_up(q, next);
	}
	i->next = NULL;
}

struct fair_item *fair_pop(struct fair_queue *q)
{
	struct fair_item *i = q->first;
	if (i != NULL)
		take(q, i);
	return i;
}

struct fair_item *fair_pop_old(struct fair_queue *q, int64_t until_ms)
{
	struct fair_item *old = NULL, *next;
	size_t before;
	do { /* each round takes at most one item of each client */
		before = q->count;
		for (struct fair_item *i = q->first; i != NULL; i = next) {
			next = i->turn_next;
			if (i->since_ms > until_ms)
				continue;
			take(q, i);
			i->next = old;
			old = i;
		}
	} while (q->count < before);
	return old;
}
