/*
 * Three clients A, B and C, with three, one and two items:
 *
 *     first -> A1 <-> B1 <-> C1 <- last      the line of turns
 *              |             |
 *              A2            C2              the other items of each client, by `next`
 *              |
 *              A3
 *
 * The first item of a client stands for the client: it is in the line of turns and in a hash bucket, and the client's
 * other items hang on it by `next`. When it is taken, the client's next item takes its place in the bucket and goes to
 * the end of the line.
 *
 * Push and pop take constant time while there are few clients in a bucket.
 */
#include "net/fair_queue.h"

static struct fair_item **bucket_of(struct fair_queue *q, uint64_t client)
{
	uint64_t mixed = client * 0x9e3779b97f4a7c15u; /* addresses of one network differ in few bits */
	return &q->buckets[mixed >> 56];
}

/* Puts a client's first item at the end of the line of turns. */
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

void fair_queue_push(struct fair_queue *q, struct fair_item *i)
{
	struct fair_item **bucket = bucket_of(q, i->client), *first = *bucket;
	i->next = NULL;
	q->count++;
	while (first != NULL && first->client != i->client)
		first = first->bucket_next;
	if (first != NULL) { /* the client has its turn already: the item waits after its others */
		first->last->next = i;
		first->last = i;
		return;
	}
	i->last = i;
	i->bucket_next = *bucket;
	*bucket = i;
	line_up(q, i);
}

/* Removes an item that is the first of its client. */
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
	struct fair_item *next = i->next; /* of the same client: it stands for the client from now on */
	*at = next != NULL ? next : i->bucket_next;
	if (next != NULL) {
		next->last = i->last;
		next->bucket_next = i->bucket_next;
		line_up(q, next);
	}
	i->next = NULL;
}

struct fair_item *fair_queue_pop(struct fair_queue *q)
{
	struct fair_item *i = q->first;
	if (i != NULL)
		take(q, i);
	return i;
}

/* For requests that have waited too long. The order of the result does not matter: all of them are refused. */
struct fair_item *fair_queue_pop_old(struct fair_queue *q, int64_t until_ms)
{
	struct fair_item *old = NULL, *next;
	size_t before;
	/* Only first items are looked at. A client's items are in order of time, so each round finds the oldest of
	 * every client; the rounds go on until one of them finds nothing. */
	do {
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
