/*
 * fair_queue: a queue that serves its clients in turn. Each turn takes the oldest item of one client; then it is the
 * next client's turn. So a client with one request waits for as many turns as there are clients, however many requests
 * the others have in the queue.
 *
 * Pure, without a lock: the caller has one. The items are the caller's memory; the queue only links them, and an item
 * must stay where it is until it is taken.
 */
#ifndef CURLEW_NET_FAIR_QUEUE_H
#define CURLEW_NET_FAIR_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct fair_item {
	/* the caller's */
	uint64_t client;  /* any number that tells clients apart */
	int64_t since_ms; /* when it arrived; a client's items must be pushed in this order */

	/* the queue's */
	struct fair_item *next; /* of the same client */
	/* valid only in the first item of a client */
	struct fair_item *last;                    /* the last item of the same client */
	struct fair_item *turn_before, *turn_next; /* the first items of other clients */
	struct fair_item *bucket_next;
};

enum { FAIR_BUCKETS = 256 };

struct fair_queue {
	struct fair_item *first, *last; /* clients in the order of their turns */
	struct fair_item *buckets[FAIR_BUCKETS];
	size_t count; /* items in all */
};

/* Adds an item. A queue of zeros is empty. */
void fair_queue_push(struct fair_queue *, struct fair_item *);
/* Takes the item whose turn it is. NULL: the queue is empty. */
struct fair_item *fair_queue_pop(struct fair_queue *);
/* Takes all items whose since_ms is until_ms or earlier, and returns them linked by next. NULL: none. */
struct fair_item *fair_queue_pop_old(struct fair_queue *, int64_t until_ms);

#endif
