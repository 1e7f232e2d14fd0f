/*
 * One body at a time is combined. Its job goes from the disk thread to the writer and back; the others wait in a queue
 * whose first element is the one in progress. combiner->lock guards the queue and `ending`, and nothing is called under
 * it. A combination belongs to the thread that works on it, so its other members need no lock.
 */
#include "fetch/combiner.h"

#include "base/stats.h"
#include "fetch/partial_body.h"
#include "http/conditions.h"
#include "http/groups.h"
#include "http/policy_storing.h"
#include "http/stored_fields.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	COPY_BYTES = 256 << 10,
	TURN_BYTES = 16 << 20,  /* copied before other work has its turn on the disk thread */
	LARGE_BYTES = 256 << 20 /* a larger body is not waited for at the end; its parts stay */
};

struct combination {
	struct combiner *combiner;
	struct combination *next;
	struct index_parts parts;
	struct entry *entry;
	int64_t purge_id;
	struct partial_body *bytes;
	struct body *body;
	struct disk_job job;
	struct store_put put;
};

struct combiner {
	struct store *store;
	struct policy policy;
	const _Atomic int64_t *max_body;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct combination *first, **last; /* the first is in progress, the others wait */
	bool ending;
};

/* --- what may be combined --- */

/* Bytes of several responses are one body only by a strong validator (RFC 9111 3.4). */
static bool may_combine(const struct index_parts *parts, const struct head *head, int64_t now)
{
	bool is_tag;
	return parts->count == 1 || conditions_strong_validator(head, now, &is_tag).len > 0;
}

/* Fills the row as if the whole body had been fetched with these fields at that time. head borrows e->headers. 0, or
 * -1: it may not be stored, or no memory. */
static int fill_entry(
    const struct combiner *c, struct entry *e, const struct head *head, const struct rule_decision *decision)
{
	struct policy_storing verdict;
	struct head plain = {.method = span_of("GET")};
	struct policy_exchange x = {.request = &plain,
	    .response = head,
	    .asked_at = e->fetched_at,
	    .answered_at = e->fetched_at,
	    .decision = decision};
	struct buf kept;
	policy_storing_judge(&c->policy, &x, &verdict);
	if (!verdict.store)
		return -1;
	buf_init(&kept, BUF_HEAD);
	bool ok = stored_fields_kept(&c->policy, decision, head, &kept) == 0;
	free(e->groups);
	ok = groups_copy(head, &e->groups) != GROUPS_NO_MEMORY && ok;
	free(e->headers); /* not earlier: head ends here */
	free(e->reason);
	e->headers = ok ? strdup(buf_str(&kept)) : NULL;
	e->reason = strdup(verdict.reason);
	e->tag = decision->tag != NULL ? strdup(decision->tag) : NULL;
	e->rule_id = verdict.rule_id;
	e->stale_until = (e->fresh_until > e->fetched_at ? e->fresh_until : e->fetched_at) + verdict.stale_for_s;
	e->dns_ms = e->connect_ms = e->ttfb_ms = e->total_ms = -1;
	buf_fini(&kept);
	return ok && e->headers != NULL && e->reason != NULL ? 0 : -1;
}

/* The row for the whole body; NULL: there will be none. */
static struct entry *make_entry(
    const struct combiner *c, const struct index_parts *parts, const struct rule_decision *decision)
{
	int64_t whole = parts->whole_bytes, max_body = atomic_load(c->max_body);
	if (parts->of == NULL || whole <= 0 || index_parts_cover(parts, 0) < whole ||
	    (max_body > 0 && whole > max_body))
		return NULL;
	struct entry *e = entry_copy(parts->of);
	struct head head;
	message_init(&head);
	bool ok = e != NULL && message_parse_fields(&head, span_of(e->headers)) == 0;
	head.status = 200;
	if (!ok || !may_combine(parts, &head, e->fetched_at) || fill_entry(c, e, &head, decision) != 0) {
		entry_free(e);
		e = NULL;
	}
	message_fini(&head);
	return e;
}

/* --- one combination --- */

/* Frees what it holds. It stays in the queue. */
static void release(struct combination *j)
{
	partial_body_free(j->bytes);
	index_parts_free(&j->parts);
	entry_free(j->entry);
	body_free(j->body);
}

/* The end of a combination, on the disk thread, because unlinking a body that no row owns may take long. After the lock
 * is released, the store is used only for another combination. If there is none, combiner_free() may have returned. */
static void finish(struct disk_job *job)
{
	struct combination *j = (struct combination *)(void *)((char *)job - offsetof(struct combination, job));
	struct combiner *c = j->combiner;
	release(j);
	pthread_mutex_lock(&c->lock);
	struct combination *next = c->first = j->next;
	if (next == NULL)
		c->last = &c->first;
	pthread_cond_broadcast(&c->idle);
	pthread_mutex_unlock(&c->lock);
	free(j);
	if (next != NULL)
		store_on_disk(next->combiner->store, &next->job);
}

/* On the writer's thread. */
static void over(struct store_put *put, enum store_put_outcome outcome)
{
	struct combination *j = (struct combination *)(void *)((char *)put - offsetof(struct combination, put));
	if (outcome == STORE_PUT_DONE)
		stats_add(STATS_STORED, 1);
	j->job.run = finish;
	store_on_disk(j->combiner->store, &j->job);
}

/* Any thread. */
static bool is_ending(struct combiner *c)
{
	pthread_mutex_lock(&c->lock);
	bool ending = c->ending;
	pthread_mutex_unlock(&c->lock);
	return ending;
}

/* Copies one turn's bytes. 0, or -1: a part or the disk failed (logged there). */
static int copy(struct combination *j)
{
	char buffer[COPY_BYTES];
	int64_t whole = j->parts.whole_bytes, end = body_bytes(j->body) + TURN_BYTES;
	/* The length of the new body is the position: no other state is kept between turns. */
	for (int64_t at; (at = body_bytes(j->body)) < whole && at < end;) {
		const struct partial_body_segment *p = partial_body_find(j->bytes, at);
		int64_t n = p != NULL ? p->at + p->n - at : 0;
		n = n < COPY_BYTES ? n : COPY_BYTES;
		if (n == 0 || pread(p->fd, buffer, (size_t)n, p->offset + at - p->at) != n ||
		    body_write(j->body, buffer, (size_t)n) != 0)
			return -1;
	}
	return 0;
}

/* One turn on the disk thread. */
static void run_job(struct disk_job *job)
{
	struct combination *j = (struct combination *)(void *)((char *)job - offsetof(struct combination, job));
	struct store *store = j->combiner->store;
	int64_t whole = j->parts.whole_bytes;
	/* Until the parts are removed, the body takes its room twice. That room is not reserved: the parts themselves
	 * might be evicted for it. */
	bool ok = (whole <= LARGE_BYTES || !is_ending(j->combiner)) && !store_short(store);
	/* The first turn. The parts are opened only now: a queue of many combinations must not hold many descriptors.
	 */
	if (ok && j->bytes == NULL) {
		j->bytes = partial_body_of_range(store, &j->parts, 0, whole - 1);
		j->body = j->bytes != NULL ? body_begin(store, false) : NULL;
	}
	ok = ok && j->body != NULL && copy(j) == 0;
	if (ok && body_bytes(j->body) < whole) {
		store_on_disk(store, job);
		return;
	}
	/* finish() at once: the body is unlinked, and the parts stay as they are. */
	if (!ok || body_seal(j->body) != 0) {
		finish(job);
		return;
	}
	j->put = (struct store_put){
	    .entry = j->entry, .body = j->body, .of = &j->parts, .purge_id = j->purge_id, .done = over};
	store_put(store, &j->put);
}

/* --- for other threads --- */

struct combiner *combiner_new(struct store *store, const struct policy *policy, const _Atomic int64_t *max_body)
{
	struct combiner *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->store = store;
	c->policy = *policy;
	c->max_body = max_body;
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	return c;
}

void combiner_free(struct combiner *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	/* Cut the queue after the one in progress, so that finish() begins no other. */
	struct combination *rest = c->first != NULL ? c->first->next : NULL;
	if (c->first != NULL) {
		c->first->next = NULL;
		c->last = &c->first->next;
	}
	while (c->first != NULL)
		pthread_cond_wait(&c->idle, &c->lock);
	pthread_mutex_unlock(&c->lock);
	while (rest != NULL) {
		struct combination *j = rest;
		rest = j->next;
		release(j);
		free(j);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->idle);
	free(c);
}

void combiner_add(struct combiner *c, struct index_parts *parts, const struct rule_decision *decision, int64_t purge_id)
{
	struct entry *e = make_entry(c, parts, decision);
	struct combination *j = e != NULL ? calloc(1, sizeof *j) : NULL;
	if (j == NULL) {
		entry_free(e);
		index_parts_free(parts);
		return;
	}
	*j = (struct combination){.combiner = c, .parts = *parts, .entry = e, .purge_id = purge_id, .job.run = run_job};
	*parts = (struct index_parts){.whole_bytes = -1};
	pthread_mutex_lock(&c->lock);
	/* The first one is begun here, the others by finish(). */
	bool alone = c->first == NULL;
	*c->last = j;
	c->last = &j->next;
	pthread_mutex_unlock(&c->lock);
	if (alone)
		store_on_disk(c->store, &j->job);
}

/* Called by store_covered() for each set of parts. The decision of the rules may have changed since they were stored.
 */
static void add_stored(void *ctx, struct index_parts *parts)
{
	struct combiner *c = ctx;
	struct rule_decision decision;
	const struct store_rules *rules = store_rules_take(c->store, -1);
	if (parts->of != NULL) {
		rules_judge(rules->rules, parts->of->url, 200, &decision);
		combiner_add(c, parts, &decision, rules->purge_id);
	}
	store_rules_drop(rules);
}

void combiner_add_stored(struct combiner *c)
{
	store_covered(c->store, add_stored, c);
}
