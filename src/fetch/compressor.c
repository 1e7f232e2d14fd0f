/*
 * A copy passes through three threads, one after another: the compressor's reads the original and compresses it in
 * memory, the disk thread writes the file, the writer commits the row if the original is still there with the same
 * body. The compressor's thread waits for that, so the lock guards only the queue and `stored`.
 */
#include "fetch/compressor.h"

#include "base/stats.h"
#include "base/thread.h"
#include "fetch/encoder.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WAITING_MOST = 256,
	LARGEST = 64 << 20, /* larger bodies are not compressed: the copy is made in memory */
	USELESS = 1024      /* bodies remembered because they did not become smaller */
};

struct wanted {
	struct entry *original;
	enum compression coding;
	int64_t purge_id;
};

struct compressor {
	struct store *store;
	pthread_t thread;
	atomic_bool ending;

	/* the copy in progress: used by one thread at a time */
	struct encoded bytes;
	struct body *body;
	struct disk_job job;
	struct store_put put;

	pthread_mutex_t lock; /* guards the members below */
	pthread_cond_t changed;
	struct wanted waiting[WAITING_MOST];
	size_t first, count;
	struct wanted current;     /* original NULL: none */
	bool over;                 /* the disk thread and the writer are done with the current one */
	char useless[USELESS][32]; /* names of body files */
	size_t next_useless;
};

/* --- on the disk thread and the writer's --- */

static void say_over(struct compressor *c)
{
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void on_put(struct store_put *put, enum store_put_outcome outcome)
{
	(void)outcome; /* what was not stored is asked for again by the next request */
	say_over((struct compressor *)(void *)((char *)put - offsetof(struct compressor, put)));
}

static void write_body(struct disk_job *job)
{
	struct compressor *c = (struct compressor *)(void *)((char *)job - offsetof(struct compressor, job));
	c->body = body_begin(c->store, true);
	if (c->body != NULL && body_write(c->body, c->bytes.bytes, c->bytes.n) == 0 && body_seal(c->body) == 0) {
		c->put.body = c->body;
		store_put(c->store, &c->put);
	} else {
		say_over(c);
	}
}

/* --- on the compressor's thread --- */

/* The row of the copy, without its body. NULL: the response does not suit, or no memory. */
static struct entry *make_entry(const struct entry *original, enum compression coding)
{
	struct head head;
	struct buf fields, vary;
	struct entry *e = entry_copy(original);
	buf_init(&fields, BUF_HEAD);
	buf_init(&vary, BUF_VARY);
	message_init(&head);
	bool ok = e != NULL && message_parse_fields(&head, span_of(original->headers)) == 0;
	head.status = original->status;
	ok = ok && compression_suits(&head, original->body_bytes) && compression_fields(&head, coding, &fields) == 0;
	/* No request has such a line, so no request selects the copy by itself. */
	buf_addf(&vary, "%s%scontent-encoding: %s", original->vary, original->vary[0] != '\0' ? "\n" : "",
	    compression_name(coding));
	message_fini(&head);
	if (ok) {
		char *tag = e->etag != NULL ? compression_tag(e->etag) : NULL;
		ok = e->etag == NULL || tag != NULL;
		free(e->etag);
		e->etag = tag;
		free(e->headers);
		free(e->vary);
		free(e->groups);
		e->headers = buf_take(&fields);
		e->vary = vary.failed ? NULL : buf_take(&vary);
		e->groups = NULL;
		e->hits = 0;
		e->encoded_from = original->id;
		e->id = 0;
		ok = ok && e->headers != NULL && e->vary != NULL;
	}
	buf_fini(&fields);
	buf_fini(&vary);
	if (ok)
		return e;
	entry_free(e);
	return NULL;
}

static void remember_useless(struct compressor *c, const struct entry *original)
{
	pthread_mutex_lock(&c->lock);
	strncpy(c->useless[c->next_useless++ % USELESS], original->body_file, sizeof c->useless[0] - 1);
	pthread_mutex_unlock(&c->lock);
}

/* Writes the copy and waits until it is stored, or is not. */
static void store_copy(struct compressor *c, const struct wanted *w, struct entry *e)
{
	c->over = false; /* nobody else uses it now */
	c->put = (struct store_put){.entry = e, .encodes = w->original, .purge_id = w->purge_id, .done = on_put};
	c->job.run = write_body;
	store_on_disk(c->store, &c->job);
	pthread_mutex_lock(&c->lock);
	while (!c->over)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
	body_free(c->body);
	c->body = NULL;
}

static void make_copy(struct compressor *c, const struct wanted *w)
{
	int64_t n = w->original->body_bytes;
	if (store_short(c->store) || store_stopped(c->store) != NULL)
		return;
	struct entry *e = make_entry(w->original, w->coding);
	int fd = e != NULL ? store_open_body(c->store, w->original) : -1;
	if (fd >= 0 && encoder_run(fd, n, w->coding, &c->ending, &c->bytes) == 0) {
		int64_t room = (int64_t)c->bytes.n;
		if (store_reserve(c->store, room) == NULL) {
			store_copy(c, w, e);
			store_release(c->store, room);
		}
		free(c->bytes.bytes);
	} else if (fd >= 0) {
		remember_useless(c, w->original);
	}
	if (fd >= 0)
		close(fd);
	entry_free(e);
}

static void *run(void *ctx)
{
	struct compressor *c = ctx;
	pthread_mutex_lock(&c->lock);
	while (!atomic_load(&c->ending)) {
		if (c->count == 0) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		struct wanted w = c->current = c->waiting[c->first++ % WAITING_MOST];
		c->count--;
		pthread_mutex_unlock(&c->lock);
		make_copy(c, &w);
		pthread_mutex_lock(&c->lock);
		c->current.original = NULL;
		entry_free(w.original);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- for other threads --- */

struct compressor *compressor_new(struct store *store)
{
	struct compressor *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->store = store;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	if (thread_start(&c->thread, "compressor", run, c) == 0)
		return c;
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c);
	return NULL;
}

void compressor_free(struct compressor *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->ending, true);
	pthread_mutex_lock(&c->lock);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	for (; c->count > 0; c->count--)
		entry_free(c->waiting[c->first++ % WAITING_MOST].original);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c);
}

static bool is_same(const struct wanted *w, const struct entry *original, enum compression coding)
{
	return w->original != NULL && w->coding == coding && w->original->id == original->id;
}

/* Under the lock. */
static bool is_needless(const struct compressor *c, const struct entry *original, enum compression coding)
{
	if (c->count == WAITING_MOST || is_same(&c->current, original, coding))
		return true;
	for (size_t i = 0; i < c->count; i++)
		if (is_same(&c->waiting[(c->first + i) % WAITING_MOST], original, coding))
			return true;
	for (size_t i = 0; i < USELESS; i++)
		if (strcmp(c->useless[i], original->body_file) == 0)
			return true;
	return false;
}

void compressor_want(struct compressor *c, const struct entry *original, enum compression coding, int64_t purge_id)
{
	if (c == NULL || coding == COMPRESSION_NONE || original->body_file == NULL || original->encoded_from != 0 ||
	    original->body_bytes < COMPRESSION_LEAST || original->body_bytes > LARGEST || original->id == 0)
		return;
	pthread_mutex_lock(&c->lock);
	struct entry *copy = is_needless(c, original, coding) ? NULL : entry_copy(original);
	if (copy != NULL) {
		c->waiting[(c->first + c->count++) % WAITING_MOST] = (struct wanted){copy, coding, purge_id};
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
}
