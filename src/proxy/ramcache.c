/*
 * The entries are spread over shards by their hash. Each shard has a lock for those that add and remove entries, and a
 * share of the bytes. It stays within its share by CLOCK: the entries are in a queue, and the hand is at its front. An
 * entry that was used since the hand last passed goes to the end of the queue; any other is evicted. A large body is
 * admitted when it is offered for the second time in a while: reading it costs much, and more of them than there is
 * room for, each used once in turn, would only push each other out.
 *
 * A find takes no lock: it walks the chain of a slot while others add to it and remove from it. So a removed entry
 * keeps its place in the chain, for those who stand on it, and is not freed before they have gone. Time is divided into
 * eras (epoch-based reclamation):
 *
 * - A reader notes the era in which it enters, and forgets it when it leaves.
 * - A removal unlinks the entry, ends the era and begins the next one.
 * - A reader that enters in a later era cannot find the entry any more. So it is freed when each reader is outside, or
 *   has entered after the era of the removal.
 *
 * The atomics are sequentially consistent: either the reader's walk sees that the entry is unlinked, or the look at the
 * readers sees that it has entered.
 */
#include "proxy/ramcache.h"

#include "proxy/browser.h"
#include "proxy/compressed.h"
#include "proxy/deliver.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SHARDS = 16,
	SLOTS = 4096,
	SMALL_BODY = 64 << 10,
	SMALL_MOST = 48 << 20, /* bytes in all */
	LARGE_MOST = 64 << 20,
	WANTED = 64 /* about as many large entries as there is room for */
};

/* The queue of the hand. Large entries have their own, so that one of them does not evict a thousand small ones. */
struct queue {
	struct ramcache_entry *first, **last;
	size_t bytes, most;
};

struct shard {
	pthread_mutex_t lock;
	_Atomic(struct ramcache_entry *) slots[SLOTS];
	struct queue small, large;
};

struct ramcache {
	struct shard shards[SHARDS];
	struct ramcache_reader *readers; /* written before the threads start */
	_Atomic uint64_t era;
	_Atomic uint64_t wanted[WANTED]; /* hashes of large bodies that were offered once */

	pthread_mutex_t removed_lock;                   /* taken last */
	struct ramcache_entry *removed, **removed_last; /* in the order of their removal */
};

static uint64_t hash_of(struct span s)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ s.len;
	size_t i = 0;
	for (; i + 8 <= s.len; i += 8) {
		uint64_t w;
		memcpy(&w, s.at + i, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	for (; i < s.len; i++)
		h = (h ^ (unsigned char)s.at[i]) * 0x100000001b3u;
	h ^= h >> 29;
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 32;
}

static uint64_t hash_of_key(const struct ramcache_key *key)
{
	uint64_t h = hash_of(key->target);
	return key->site.len == 0 ? h : (h ^ key->secure) * 0x100000001b3u + hash_of(key->site);
}

/* Memory used: headers twice, because the row's are kept next to the text (change_counter_confirm() compares them). */
static size_t cost(const struct ramcache_entry *o)
{
	return sizeof *o + sizeof *o->entry + o->target_bytes + o->site_bytes + 2 * o->head_bytes + o->body_bytes;
}

static struct queue *queue_of(struct shard *s, const struct ramcache_entry *o)
{
	return o->body_bytes > SMALL_BODY ? &s->large : &s->small;
}

static void free_entry(struct ramcache_entry *o)
{
	entry_free(o->entry);
	free(o->target);
	shared_bytes_drop(o->text);
	free(o);
}

struct ramcache *ramcache_new(void)
{
	struct ramcache *h = calloc(1, sizeof *h);
	if (h == NULL)
		return NULL;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&h->shards[i].lock, NULL);
		h->shards[i].small = (struct queue){.last = &h->shards[i].small.first, .most = SMALL_MOST / SHARDS};
		h->shards[i].large = (struct queue){.last = &h->shards[i].large.first, .most = LARGE_MOST / SHARDS};
	}
	pthread_mutex_init(&h->removed_lock, NULL);
	h->removed_last = &h->removed;
	return h;
}

static struct shard *shard_of(struct ramcache *h, uint64_t hash)
{
	return &h->shards[hash % SHARDS];
}

static _Atomic(struct ramcache_entry *) *slot_of(struct shard *s, uint64_t hash)
{
	return &s->slots[hash / SHARDS % SLOTS];
}

/* --- readers, and what they may still hold --- */

void ramcache_add_reader(struct ramcache *h, struct ramcache_reader *r)
{
	atomic_init(&r->era, RAMCACHE_OUTSIDE);
	r->next = h->readers;
	h->readers = r;
}

void ramcache_enter(struct ramcache *h, struct ramcache_reader *r)
{
	atomic_store(&r->era, atomic_load(&h->era));
}

void ramcache_leave(struct ramcache_reader *r)
{
	atomic_store_explicit(&r->era, RAMCACHE_OUTSIDE, memory_order_release);
}

/* Takes an entry out of its shard. Readers may still hold it. Under the lock of the shard. */
static void take_out(struct ramcache *h, struct shard *s, struct ramcache_entry *o)
{
	_Atomic(struct ramcache_entry *) *at = slot_of(s, o->hash);
	struct queue *q = queue_of(s, o);
	struct ramcache_entry *p;
	while ((p = atomic_load(at)) != o)
		at = &p->chain;
	atomic_store(at, atomic_load(&o->chain));
	*o->link = o->next;
	if (o->next != NULL)
		o->next->link = o->link;
	else
		q->last = o->link;
	q->bytes -= cost(o);
	o->in_set = false;
	pthread_mutex_lock(&h->removed_lock);
	o->removed_at = atomic_fetch_add(&h->era, 1);
	o->next = NULL;
	*h->removed_last = o;
	h->removed_last = &o->next;
	pthread_mutex_unlock(&h->removed_lock);
}

/* The first removed entry, if no reader can hold it any more; the caller frees it. */
static struct ramcache_entry *next_free(struct ramcache *h)
{
	pthread_mutex_lock(&h->removed_lock);
	struct ramcache_entry *o = h->removed;
	for (struct ramcache_reader *r = h->readers; o != NULL && r != NULL; r = r->next)
		if (atomic_load(&r->era) <= o->removed_at)
			o = NULL;
	if (o != NULL && (h->removed = o->next) == NULL)
		h->removed_last = &h->removed;
	pthread_mutex_unlock(&h->removed_lock);
	return o;
}

void ramcache_collect(struct ramcache *h)
{
	struct ramcache_entry *o;
	while ((o = next_free(h)) != NULL)
		free_entry(o);
}

/* --- adding, finding and removing --- */

static void append(struct queue *q, struct ramcache_entry *o)
{
	o->next = NULL;
	o->link = q->last;
	*q->last = o;
	q->last = &o->next;
}

/* Moves the hand until there is room for `need` bytes. Under the lock. */
static void make_room(struct ramcache *h, struct shard *s, struct queue *q, size_t need)
{
	while (q->first != NULL && q->bytes + need > q->most) {
		struct ramcache_entry *o = q->first;
		if (atomic_exchange_explicit(&o->referenced, false, memory_order_relaxed)) {
			q->first = o->next; /* it was used: to the end of the queue */
			if (q->first != NULL)
				q->first->link = &q->first;
			else
				q->last = &q->first;
			append(q, o);
			continue;
		}
		take_out(h, s, o);
	}
}

static bool has_key(const struct ramcache_entry *o, const struct ramcache_key *key)
{
	return span_same(key->target, span_make(o->target, o->target_bytes)) && o->secure == key->secure &&
	       span_same(key->site, span_make(o->target + o->target_bytes, o->site_bytes));
}

static struct ramcache_entry *find_in(struct shard *s, uint64_t hash, const struct ramcache_key *key)
{
	struct ramcache_entry *o = atomic_load(slot_of(s, hash));
	while (o != NULL && (o->hash != hash || !has_key(o, key)))
		o = atomic_load(&o->chain);
	return o;
}

struct ramcache_entry *ramcache_find(struct ramcache *h, const struct ramcache_key *key)
{
	uint64_t hash = hash_of_key(key);
	struct ramcache_entry *o = find_in(shard_of(h, hash), hash, key);
	/* Written only if it changes: a store on every hit would move the cache line between cores. */
	if (o != NULL && !atomic_load_explicit(&o->referenced, memory_order_relaxed))
		atomic_store_explicit(&o->referenced, true, memory_order_relaxed);
	return o;
}

void ramcache_remove(struct ramcache *h, struct ramcache_entry *o)
{
	struct shard *s = shard_of(h, o->hash);
	pthread_mutex_lock(&s->lock);
	if (o->in_set) /* else another thread was faster */
		take_out(h, s, o);
	pthread_mutex_unlock(&s->lock);
}

/* Appends the body to the head. 0, or -1: it cannot be kept in memory. */
static int read_body(struct ramcache_entry *o, struct store *store, struct span head)
{
	int fd = -1;
	if (o->body_bytes > 0 && (o->entry->body_file == NULL || (fd = store_open_body(store, o->entry)) < 0))
		return -1;
	o->text = shared_bytes_new(head.len + o->body_bytes);
	bool whole = o->text != NULL;
	if (whole)
		memcpy(o->text->at, head.at, head.len);
	if (whole && o->body_bytes > 0)
		whole = pread(fd, o->text->at + head.len, o->body_bytes, 0) == (ssize_t)o->body_bytes;
	if (fd >= 0)
		close(fd);
	return whole ? 0 : -1;
}

/* Writes the head up to the place of Age, and the body after it. 0, or -1: it cannot be kept in memory. */
static int compose(struct ramcache_entry *o, const struct exchange *x)
{
	const struct entry *e = o->entry;
	struct buf text;
	if (browser_judges_each(x, span_of(e->headers)))
		return -1;
	char *location = deliver_location(x, e->status, span_of(e->headers));
	struct response_head r = {.status = e->status,
	    .fields = span_of(e->headers),
	    .reused = deliver_withholds_cookies(x, e->status),
	    .location = location,
	    .via = x->context->via,
	    .keeps_tags = x->context->keeps_tags,
	    .age_s = -1};
	bool in_vary;
	o->encodes = compressed_suits(x->context, e->status, r.fields, e->body_bytes, &in_vary);
	r.encodes = o->encodes && !in_vary;
	browser_guard(x, r.fields, &r);
	buf_init(&text, BUF_HEAD);
	response_head_write(&text, &r);
	free(location);
	if (!response_head_is_bodiless(e->status))
		buf_addf(&text, "Content-Length: %" PRId64 "\r\n", e->body_bytes);
	o->head_bytes = text.len;
	o->body_bytes = response_head_is_bodiless(e->status) ? 0 : (size_t)e->body_bytes;
	int rc = text.failed ? -1 : read_body(o, x->context->store, buf_span(&text));
	buf_fini(&text);
	return rc;
}

/* True of a small body, and of a large one that was offered lately. */
static bool is_admitted(struct ramcache *h, uint64_t hash, int64_t body_bytes)
{
	return body_bytes <= SMALL_BODY || atomic_exchange(&h->wanted[hash % WANTED], hash) == hash;
}

void ramcache_offer(struct ramcache *h, const struct exchange *x, struct entry *e)
{
	struct ramcache_key key = {
	    .target = x->request->target, .site = x->site_host, .secure = x->site != NULL && x->secure};
	uint64_t hash = hash_of_key(&key);
	bool admitted = e->body_bytes <= RAMCACHE_BODY && is_admitted(h, hash, e->body_bytes);
	struct ramcache_entry *o = admitted ? calloc(1, sizeof *o) : NULL;
	if (o == NULL) {
		entry_free(e);
		return;
	}
	atomic_init(&o->confirmed_edits, e->edits);
	o->entry = e;
	o->target = malloc(key.target.len + key.site.len);
	if (o->target == NULL || compose(o, x) != 0) {
		free_entry(o);
		return;
	}
	memcpy(o->target, key.target.at, key.target.len);
	o->target_bytes = key.target.len;
	if (key.site.len > 0)
		memcpy(o->target + o->target_bytes, key.site.at, key.site.len);
	o->site_bytes = key.site.len;
	o->secure = key.secure;
	o->options = x->options;
	o->hash = hash;
	struct shard *s = shard_of(h, o->hash);
	pthread_mutex_lock(&s->lock);
	struct ramcache_entry *old = find_in(s, o->hash, &key);
	if (old != NULL)
		take_out(h, s, old);
	struct queue *q = queue_of(s, o);
	make_room(h, s, q, cost(o));
	atomic_init(&o->chain, atomic_load(slot_of(s, o->hash)));
	atomic_store(slot_of(s, o->hash), o);
	append(q, o);
	q->bytes += cost(o);
	o->in_set = true;
	pthread_mutex_unlock(&s->lock);
	ramcache_collect(h);
}

void ramcache_free(struct ramcache *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &h->shards[i];
		while (s->small.first != NULL)
			take_out(h, s, s->small.first);
		while (s->large.first != NULL)
			take_out(h, s, s->large.first);
		pthread_mutex_destroy(&s->lock);
	}
	h->readers = NULL; /* their threads have ended */
	ramcache_collect(h);
	pthread_mutex_destroy(&h->removed_lock);
	free(h);
}
