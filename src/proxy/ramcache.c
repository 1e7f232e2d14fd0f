/*
 * The entries are spread over shards by their hash. Each shard has a lock for those that add and remove entries, and a
 * share of BYTES_MOST. It stays within its share by CLOCK: the entries are in a queue, and the hand is at its front. An
 * entry that was used since the hand last passed goes to the end of the queue; any other is evicted.
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
#include "proxy/deliver.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHARDS = 16, SLOTS = 4096, BYTES_MOST = 48 << 20 };

struct shard {
	pthread_mutex_t lock;
	_Atomic(struct ramcache_entry *) slots[SLOTS];
	struct ramcache_entry *first, **last; /* the queue of the hand */
	size_t bytes;
};

struct ramcache {
	struct shard shards[SHARDS];
	struct ramcache_reader *readers; /* written before the threads start */
	_Atomic uint64_t era;

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

static void free_entry(struct ramcache_entry *o)
{
	entry_free(o->entry);
	free(o->target);
	free(o->text);
	free(o);
}

struct ramcache *ramcache_new(void)
{
	struct ramcache *h = calloc(1, sizeof *h);
	if (h == NULL)
		return NULL;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&h->shards[i].lock, NULL);
		h->shards[i].last = &h->shards[i].first;
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
	struct ramcache_entry *p;
	while ((p = atomic_load(at)) != o)
		at = &p->chain;
	atomic_store(at, atomic_load(&o->chain));
	*o->link = o->next;
	if (o->next != NULL)
		o->next->link = o->link;
	else
		s->last = o->link;
	s->bytes -= cost(o);
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

static void append(struct shard *s, struct ramcache_entry *o)
{
	o->next = NULL;
	o->link = s->last;
	*s->last = o;
	s->last = &o->next;
}

/* Moves the hand until there is room for `need` bytes. Under the lock. */
static void make_room(struct ramcache *h, struct shard *s, size_t need)
{
	while (s->first != NULL && s->bytes + need > BYTES_MOST / SHARDS) {
		struct ramcache_entry *o = s->first;
		if (atomic_exchange_explicit(&o->referenced, false, memory_order_relaxed)) {
			s->first = o->next; /* it was used: to the end of the queue */
			if (s->first != NULL)
				s->first->link = &s->first;
			else
				s->last = &s->first;
			append(s, o);
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
	browser_guard(x, r.fields, &r);
	buf_init(&text, BUF_HEAD + RAMCACHE_BODY);
	response_head_write(&text, &r);
	free(location);
	if (!response_head_is_bodiless(e->status))
		buf_addf(&text, "Content-Length: %" PRId64 "\r\n", e->body_bytes);
	o->head_bytes = text.len;
	o->body_bytes = response_head_is_bodiless(e->status) ? 0 : (size_t)e->body_bytes;
	int fd = -1, rc = 0;
	if (e->body_file != NULL && o->body_bytes > 0) {
		fd = store_open_body(x->context->store, e);
		char *room = buf_room(&text, o->body_bytes);
		if (fd < 0 || room == NULL || pread(fd, room, o->body_bytes, 0) != (ssize_t)o->body_bytes)
			rc = -1;
		else
			buf_grew(&text, o->body_bytes);
	}
	if (fd >= 0)
		close(fd);
	if (rc == 0 && !text.failed)
		o->text = buf_take(&text);
	buf_fini(&text);
	return o->text != NULL ? 0 : -1;
}

void ramcache_offer(struct ramcache *h, const struct exchange *x, struct entry *e)
{
	struct ramcache_entry *o = calloc(1, sizeof *o);
	struct ramcache_key key = {
	    .target = x->request->target, .site = x->site_host, .secure = x->site != NULL && x->secure};
	if (o == NULL) {
		entry_free(e);
		return;
	}
	atomic_init(&o->confirmed_edits, e->edits);
	o->entry = e;
	o->target = malloc(key.target.len + key.site.len);
	if (e->body_bytes > RAMCACHE_BODY || o->target == NULL || compose(o, x) != 0) {
		free_entry(o);
		return;
	}
	memcpy(o->target, key.target.at, key.target.len);
	o->target_bytes = key.target.len;
	if (key.site.len > 0)
		memcpy(o->target + o->target_bytes, key.site.at, key.site.len);
	o->site_bytes = key.site.len;
	o->secure = key.secure;
	o->hash = hash_of_key(&key);
	struct shard *s = shard_of(h, o->hash);
	pthread_mutex_lock(&s->lock);
	struct ramcache_entry *old = find_in(s, o->hash, &key);
	if (old != NULL)
		take_out(h, s, old);
	make_room(h, s, cost(o));
	atomic_init(&o->chain, atomic_load(slot_of(s, o->hash)));
	atomic_store(slot_of(s, o->hash), o);
	append(s, o);
	s->bytes += cost(o);
	o->in_set = true;
	pthread_mutex_unlock(&s->lock);
	ramcache_collect(h);
}

void ramcache_free(struct ramcache *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		while (h->shards[i].first != NULL)
			take_out(h, &h->shards[i], h->shards[i].first);
		pthread_mutex_destroy(&h->shards[i].lock);
	}
	h->readers = NULL; /* their threads have ended */
	ramcache_collect(h);
	pthread_mutex_destroy(&h->removed_lock);
	free(h);
}
