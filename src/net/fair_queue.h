/*
 * fair_queue: work that waits for a thread. Clients are served in turn: each turn takes the oldest work of one client,
 * then the next client has its turn. A client with one request waits for as many turns as there are clients, however
 * much the others have asked for.
 *
 * Pure and without a lock: the caller has one. Items are the caller's; the queue only links them.
 */
#ifndef CURLEW_NET_FAIR_QUEUE_H
#define CURLEW_NET_FAIR_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct fair_item {
	uint64_t client;  /* whose it is */
	int64_t since_ms; /* when it came; must not fall from one push of a client to the next */

	/* the queue's */
	struct fair_item *next; /* of the same client */
	struct fair_item *last; /* of the same client; valid in its first item only, as is what follows */
	struct fair_item *turn_before, *turn_next; /* the first items of other clients */
	struct fair_item *bucket_next;
};

enum { FAIR_BUCKETS = 256 };

struct fair_queue {
	struct fair_item *first, *last; /* clients in the order of their turns */
	struct fair_item *buckets[FAIR_BUCKETS];
	size_t count; /* items in all */
};

/* A queue of zeros is empty. */
void fair_push(struct fair_queue *, struct fair_item *);
/* The item whose turn it is, or NULL: none waits. */
struct fair_item *fair_pop(struct fair_queue *);
/* Takes all items that came at `until_ms` or before; linked by next. NULL: none. */
struct fair_item *fair_pop_old(struct fair_queue *, int64_t until_ms);

#endif
