/* One job at a time is on its way, from the disk thread to the writer; the others wait in a queue. joins->lock guards
 * both; nothing is called under it. */
#include "fetch/join.h"

#include "base/stats.h"
#include "fetch/partial_body.h"
#include "http/conditions.h"
#include "http/policy_storing.h"
#include "http/stored_fields.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	JOIN_READ = 256 << 10,
	JOIN_TURN = 16 << 20,   /* bytes copied before others have their turn on the disk thread */
	JOIN_AT_END = 256 << 20 /* a larger body is not finished at the end: the parts stay */
};

struct join {
	struct joins *joins;
	struct join *next;
	struct index_parts parts;
	struct entry *entry;
	int64_t purge_id;
	struct partial_body *bytes;
	struct body *body;
	struct disk_job job;
	struct store_put put;
};

struct joins {
	struct store *store;
	struct policy policy;
	int64_t max_body;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct join *first, **last; /* first: at work; behind it those that wait */
	bool ending;
};

/* --- what may be joined --- */

/* Bytes of several responses are one body only by a strong validator (RFC 9111 3.4). */
static bool may_join(const struct index_parts *parts, const struct head *head, int64_t now)
{
	bool is_tag;
	return parts->count == 1 || conditions_strong_validator(head, now, &is_tag).len > 0;
}

/* Where the whole had been fetched with these fields at that time: the verdict, and the fields that are kept. 0, or -1.
 */
static int describe(
    const struct joins *s, struct entry *e, const struct head *head, const struct rule_decision *decision)
{
	struct policy_storing verdict;
	struct head plain = {.method = span_of("GET")};
	struct policy_exchange x = {.request = &plain,
	    .response = head,
	    .asked_at = e->fetched_at,
	    .answered_at = e->fetched_at,
	    .decision = decision};
	struct buf kept;
	policy_storing_judge(&s->policy, &x, &verdict);
	if (!verdict.store)
		return -1;
	buf_init(&kept, BUF_HEAD);
	bool ok = stored_fields_kept(&s->policy, decision, head, &kept) == 0;
	free(e->headers);
	free(e->reason);
	e->headers = ok ? strdup(buf_str(&kept)) : NULL;
	e->reason = strdup(verdict.reason);
	e->tag = decision->tag != NULL ? strdup(decision->tag) : NULL;
	e->rule_id = verdict.rule_id;
	e->stale_until = (e->fresh_until > e->fetched_at ? e->fresh_until : e->fetched_at) + verdict.stale_for_s;
	e->dns_ms = e->connect_ms = e->ttfb_ms = e->total_ms = -1;
	buf_fini(&kept);
	return e->headers != NULL && e->reason != NULL ? 0 : -1;
}

/* The entry they make; NULL: none. */
static struct entry *make_entry(
    const struct joins *s, const struct index_parts *parts, const struct rule_decision *decision)
{
	int64_t whole = parts->whole_bytes;
	if (parts->of == NULL || whole <= 0 || index_parts_cover(parts, 0) < whole ||
	    (s->max_body > 0 && whole > s->max_body))
		return NULL;
	struct entry *e = entry_copy(parts->of);
	struct head head;
	message_init(&head);
	bool ok = e != NULL && message_parse_fields(&head, span_of(e->headers)) == 0;
	head.status = 200;
	if (!ok || !may_join(parts, &head, e->fetched_at) || describe(s, e, &head, decision) != 0) {
		entry_free(e);
		e = NULL;
	}
	message_fini(&head);
	return e;
}

/* --- at work --- */

/* Gives back what it holds; its place in the queue stays. */
static void let_go(struct join *j)
{
	partial_body_free(j->bytes);
	index_parts_free(&j->parts);
	entry_free(j->entry);
	body_free(j->body);
}

/* On the disk thread, where unlinking a body that no row came to own may take its time. Nothing of the store is used
 * once the lock is let go: joins_free() may be waiting for it. */
static void finish(struct disk_job *job)
{
	struct join *j = (struct join *)(void *)((char *)job - offsetof(struct join, job));
	struct joins *s = j->joins;
	let_go(j);
	pthread_mutex_lock(&s->lock);
	struct join *next = s->first = j->next;
	if (next == NULL)
		s->last = &s->first;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	free(j);
	if (next != NULL)
		store_on_disk(next->joins->store, &next->job);
}

static void over(struct store_put *put, enum store_put_outcome outcome)
{
	struct join *j = (struct join *)(void *)((char *)put - offsetof(struct join, put));
	if (outcome == STORE_PUT_DONE)
		stats_add(STATS_STORED, 1);
	j->job.run = finish;
	store_on_disk(j->joins->store, &j->job);
}

static bool is_ending(struct joins *s)
{
	pthread_mutex_lock(&s->lock);
	bool ending = s->ending;
	pthread_mutex_unlock(&s->lock);
	return ending;
}

/* Up to a turn's bytes more. 0, or -1: a part or the disk failed (logged). */
static int copy(struct join *j)
{
	char buffer[JOIN_READ];
	int64_t whole = j->parts.whole_bytes, end = body_bytes(j->body) + JOIN_TURN;
	for (int64_t at; (at = body_bytes(j->body)) < whole && at < end;) {
		const struct partial_body_segment *p = partial_body_find(j->bytes, at);
		int64_t n = p != NULL ? p->at + p->n - at : 0;
		n = n < JOIN_READ ? n : JOIN_READ;
		if (n == 0 || pread(p->fd, buffer, (size_t)n, p->skip + at - p->at) != n ||
		    body_write(j->body, buffer, (size_t)n) != 0)
			return -1;
	}
	return 0;
}

static void run_job(struct disk_job *job)
{
	struct join *j = (struct join *)(void *)((char *)job - offsetof(struct join, job));
	struct store *store = j->joins->store;
	int64_t whole = j->parts.whole_bytes;
	/* For a while it takes its room twice. That is not reserved, because its own parts might be evicted for it. */
	bool ok = (whole <= JOIN_AT_END || !is_ending(j->joins)) && !store_short(store);
	if (ok && j->bytes == NULL) {
		j->bytes = partial_body_of_range(store, &j->parts, 0, whole - 1);
		j->body = j->bytes != NULL ? body_begin(store, false) : NULL;
	}
	ok = ok && j->body != NULL && copy(j) == 0;
	if (ok && body_bytes(j->body) < whole) {
		store_on_disk(store, job);
		return;
	}
	if (!ok || body_seal(j->body) != 0) {
		finish(job);
		return;
	}
	j->put = (struct store_put){
	    .entry = j->entry, .body = j->body, .of = &j->parts, .purge_id = j->purge_id, .done = over};
	store_put(store, &j->put);
}

/* --- from outside --- */

struct joins *joins_new(struct store *store, const struct policy *policy, int64_t max_body)
{
	struct joins *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	s->store = store;
	s->policy = *policy;
	s->max_body = max_body;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	return s;
}

void joins_free(struct joins *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	struct join *waiting = s->first != NULL ? s->first->next : NULL;
	if (s->first != NULL) {
		s->first->next = NULL;
		s->last = &s->first->next;
	}
	while (s->first != NULL)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	while (waiting != NULL) {
		struct join *j = waiting;
		waiting = j->next;
		let_go(j);
		free(j);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->idle);
	free(s);
}

void joins_add(struct joins *s, struct index_parts *parts, const struct rule_decision *decision, int64_t purge_id)
{
	struct entry *e = make_entry(s, parts, decision);
	struct join *j = e != NULL ? calloc(1, sizeof *j) : NULL;
	if (j == NULL) {
		entry_free(e);
		index_parts_free(parts);
		return;
	}
	*j = (struct join){.joins = s, .parts = *parts, .entry = e, .purge_id = purge_id, .job.run = run_job};
	*parts = (struct index_parts){.whole_bytes = -1};
	pthread_mutex_lock(&s->lock);
	bool alone = s->first == NULL;
	*s->last = j;
	s->last = &j->next;
	pthread_mutex_unlock(&s->lock);
	if (alone)
		store_on_disk(s->store, &j->job);
}

static void add_stored(void *ctx, struct index_parts *parts)
{
	struct joins *s = ctx;
	struct rule_decision decision;
	const struct store_rules *rules = store_rules_take(s->store);
	if (parts->of != NULL) {
		rules_judge(rules->rules, parts->of->url, &decision);
		joins_add(s, parts, &decision, rules->purge_id);
	}
	store_rules_drop(rules);
}

void joins_add_stored(struct joins *s)
{
	store_covered(s->store, add_stored, s);
}
