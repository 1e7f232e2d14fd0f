/*
 * Rates are counted by one number for each client, the time up to which it has used its share (the "generic cell rate
 * algorithm"): a request moves it on by the time that one request is worth, and is refused if that would be further
 * ahead of now than the limit allows. So a hit costs one exchange of that number, and no lock.
 *
 * The lock protects the table, the counts of users, and the list of clients without users, the one that left last at
 * its front. Such a client is forgotten when the list is too long, or when its share is whole again.
 */
#include "net/client_limits.h"

#include "base/cidr.h"
#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* BURST_US: bytes may run ahead of their rate by so much. PIECE_PARTS: a paced piece is this part of a second. */
enum { BUCKETS = 16384, IDLE_MOST = 32768, BURST_US = 100000, PIECE_PARTS = 16, WAIT_MOST_MS = 500 };

struct client_limit {
	uint64_t key;
	size_t users;                       /* those that took it; under the lock */
	struct client_limit *next;          /* of its bucket */
	struct client_limit *newer, *older; /* of the list of those without users */
	_Atomic int64_t connections;
	_Atomic int64_t requests_us, bytes_us; /* monotonic: the share is used up to this time */
};

struct client_limits {
	pthread_mutex_t lock;
	struct client_limit *buckets[BUCKETS];
	struct client_limit *newest, *oldest;
	size_t idle, count;
};

struct client_limits *client_limits_new(void)
{
	struct client_limits *l = calloc(1, sizeof *l);
	if (l != NULL)
		pthread_mutex_init(&l->lock, NULL);
	return l;
}

void client_limits_free(struct client_limits *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct client_limit *c = l->buckets[i], *next; c != NULL; c = next) {
			next = c->next;
			free(c);
		}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

size_t client_limits_count(struct client_limits *l)
{
	pthread_mutex_lock(&l->lock);
	size_t count = l->count;
	pthread_mutex_unlock(&l->lock);
	return count;
}

/* --- the table --- */

/* No IPv6 address in use begins like the second half of a mapped one. */
static uint64_t key_of(const struct in6_addr *at)
{
	uint64_t key;
	memcpy(&key, at->s6_addr + (cidr_is_v4(at) ? 8 : 0), sizeof key);
	return key;
}

static struct client_limit **bucket_of(struct client_limits *l, uint64_t key)
{
	return &l->buckets[(key * 0x9e3779b97f4a7c15ULL) >> 50];
}

static void leave_idle(struct client_limits *l, struct client_limit *c)
{
	*(c->newer != NULL ? &c->newer->older : &l->newest) = c->older;
	*(c->older != NULL ? &c->older->newer : &l->oldest) = c->newer;
	c->newer = c->older = NULL;
	l->idle--;
}

static void join_idle(struct client_limits *l, struct client_limit *c)
{
	c->older = l->newest;
	c->newer = NULL;
	*(l->newest != NULL ? &l->newest->newer : &l->oldest) = c;
	l->newest = c;
	l->idle++;
}

/* Not in the list of idle ones. */
static void forget(struct client_limits *l, struct client_limit *c)
{
	struct client_limit **at = bucket_of(l, c->key);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	l->count--;
	free(c);
}

struct client_limit *client_limits_take(struct client_limits *l, const struct in6_addr *address)
{
	uint64_t key = key_of(address);
	pthread_mutex_lock(&l->lock);
	struct client_limit **bucket = bucket_of(l, key), *c = *bucket;
	while (c != NULL && c->key != key)
		c = c->next;
	if (c == NULL && (c = calloc(1, sizeof *c)) != NULL) {
		c->key = key;
		c->next = *bucket;
		*bucket = c;
		l->count++;
	} else if (c != NULL && c->users == 0) {
		leave_idle(l, c);
	}
	if (c != NULL)
		c->users++;
	pthread_mutex_unlock(&l->lock);
	return c;
}

void client_limits_drop(struct client_limits *l, struct client_limit *c)
{
	int64_t now_us = clock_us();
	if (c == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	if (--c->users == 0) {
		if (atomic_load(&c->requests_us) <= now_us && atomic_load(&c->bytes_us) <= now_us)
			forget(l, c);
		else
			join_idle(l, c);
	}
	while (l->oldest != NULL && (l->idle > IDLE_MOST || (atomic_load(&l->oldest->requests_us) <= now_us &&
								atomic_load(&l->oldest->bytes_us) <= now_us))) {
		struct client_limit *oldest = l->oldest;
		leave_idle(l, oldest);
		forget(l, oldest);
	}
	pthread_mutex_unlock(&l->lock);
}

int64_t client_limit_connections(struct client_limit *c, int change)
{
	return atomic_fetch_add(&c->connections, change) + change;
}

/* --- rates --- */

int64_t client_limit_request(struct client_limit *c, const struct client_rate *rate, int64_t now_ms)
{
	if (c == NULL || rate->requests <= 0)
		return 0;
	int64_t now_us = now_ms * 1000, all_us = (int64_t)(rate->seconds * 1e6), one_us = all_us / rate->requests;
	int64_t was = atomic_load_explicit(&c->requests_us, memory_order_relaxed), next;
	do {
		next = (was > now_us ? was : now_us) + one_us;
		if (next - now_us > all_us)
			return (next - now_us - all_us + 999) / 1000;
	} while (!atomic_compare_exchange_weak_explicit(
	    &c->requests_us, &was, next, memory_order_relaxed, memory_order_relaxed));
	return 0;
}

void client_limit_sent(struct client_limit *c, int64_t rate, size_t bytes, int64_t now_ms)
{
	if (c == NULL || rate <= 0)
		return;
	int64_t now_us = now_ms * 1000, cost_us = (int64_t)((double)bytes * 1e6 / (double)rate);
	int64_t was = atomic_load_explicit(&c->bytes_us, memory_order_relaxed), next;
	do
		next = (was > now_us ? was : now_us) + cost_us;
	while (!atomic_compare_exchange_weak_explicit(
	    &c->bytes_us, &was, next, memory_order_relaxed, memory_order_relaxed));
}

int64_t client_limit_wait_ms(const struct client_limit *c, int64_t rate, int64_t now_ms)
{
	if (c == NULL || rate <= 0)
		return 0;
	int64_t ahead_us = atomic_load_explicit(&c->bytes_us, memory_order_relaxed) - now_ms * 1000;
	return ahead_us <= BURST_US ? 0 : (ahead_us - BURST_US + 999) / 1000;
}

size_t client_limit_pace(const struct client_limit *c, int64_t rate, size_t n, int fd)
{
	struct pollfd broken = {.fd = fd};
	int64_t wait_ms;
	if (c == NULL || rate <= 0 || n == 0)
		return n;
	while ((wait_ms = client_limit_wait_ms(c, rate, clock_ms())) > 0)
		if (poll(&broken, 1, (int)(wait_ms < WAIT_MOST_MS ? wait_ms : WAIT_MOST_MS)) > 0)
			break;
	size_t piece = (size_t)(rate / PIECE_PARTS) + 1;
	return n < piece ? n : piece;
}
