/*
 * fake_engine: engine.h without a network. A test includes it in place of the library's engine. The test's own thread
 * plays the engine's thread and the origin: it looks at the fetches that were started, and delivers heads, bytes and
 * ends in any order.
 *
 * A fetch can be looked at until engine_free(), even after its end. The members that other threads change are atomic,
 * or under the lock.
 */
#ifndef CURLEW_TESTS_FAKE_ENGINE_H
#define CURLEW_TESTS_FAKE_ENGINE_H

#include "fetch/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_FETCHES = 64 };

struct fetch {
	const struct fetch_ops *ops;
	void *ctx;
	char *method, *url, *fields;
	int64_t upload_bytes;
	bool done;
	atomic_bool cancelled;
	atomic_int resumed_data, resumed_upload;
};

struct engine {
	struct engine_config config;
	pthread_mutex_t lock; /* guards the members below */
	struct fetch *fetches[FAKE_FETCHES];
	size_t count;
	bool fails; /* the next start */
	bool woken; /* engine_wake() was called: the engine's thread may end its turn */
	pthread_cond_t wake;
};

static struct engine *fake; /* the only one */

/* --- the origin's side, for tests --- */

static inline size_t fake_count(void)
{
	pthread_mutex_lock(&fake->lock);
	size_t count = fake->count;
	pthread_mutex_unlock(&fake->lock);
	return count;
}

/* The n-th fetch that was started, counted from 0; NULL: there is none. */
static inline struct fetch *fake_fetch(size_t n)
{
	pthread_mutex_lock(&fake->lock);
	struct fetch *f = n < fake->count ? fake->fetches[n] : NULL;
	pthread_mutex_unlock(&fake->lock);
	return f;
}

static inline void fake_fail_next(void)
{
	pthread_mutex_lock(&fake->lock);
	fake->fails = true;
	pthread_mutex_unlock(&fake->lock);
}

static inline void fake_batch_end(void)
{
	if (fake->config.batch_end != NULL)
		fake->config.batch_end(fake->config.ctx);
}

static inline void fake_interim(struct fetch *f, int status, const char *fields)
{
	f->ops->interim(f->ctx, status, span_of(fields));
	fake_batch_end();
}

static inline void fake_head(struct fetch *f, int status, const char *fields, int64_t body_bytes)
{
	f->ops->head(f->ctx, status, 1, span_of(fields), body_bytes);
	fake_batch_end();
}

/* False: no more until it is resumed. */
static inline bool fake_data(struct fetch *f, const char *bytes, size_t n)
{
	bool more = f->ops->data(f->ctx, bytes, n);
	fake_batch_end();
	return more;
}

static inline bool fake_text(struct fetch *f, const char *text)
{
	return fake_data(f, text, strlen(text));
}

static inline void fake_done(struct fetch *f, enum engine_outcome outcome, const char *message)
{
	struct engine_end end = {
	    .outcome = outcome, .curl_code = outcome == ENGINE_OK ? 0 : 56, .message = message, .fd = -1};
	f->done = true;
	f->ops->done(f->ctx, &end);
	fake_batch_end();
}

/* A whole response. */
static inline void fake_reply(struct fetch *f, int status, const char *fields, const char *body)
{
	fake_head(f, status, fields, (int64_t)strlen(body));
	fake_text(f, body);
	fake_done(f, ENGINE_OK, "");
}

/* --- engine.h --- */

struct engine *engine_new(const struct engine_config *config, struct buf *why)
{
	(void)why;
	fake = calloc(1, sizeof *fake);
	if (fake == NULL)
		abort();
	fake->config = *config;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->wake, NULL);
	return fake;
}

void engine_free(struct engine *e)
{
	for (size_t i = 0; i < e->count; i++) {
		free(e->fetches[i]->method);
		free(e->fetches[i]->url);
		free(e->fetches[i]->fields);
		free(e->fetches[i]);
	}
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->wake);
	free(e);
	fake = NULL;
}

struct fetch *engine_start(struct engine *e, const struct fetch_spec *spec, const struct fetch_ops *ops, void *ctx)
{
	pthread_mutex_lock(&e->lock);
	struct fetch *f = e->fails || e->count == FAKE_FETCHES ? NULL : calloc(1, sizeof *f);
	e->fails = false;
	if (f != NULL) {
		f->ops = ops;
		f->ctx = ctx;
		f->method = strdup(spec->method);
		f->url = strdup(spec->url);
		f->fields = strndup(spec->fields.len > 0 ? spec->fields.at : "", spec->fields.len);
		f->upload_bytes = spec->upload_bytes;
		e->fetches[e->count++] = f;
	}
	pthread_mutex_unlock(&e->lock);
	return f;
}

void engine_resume_data(struct fetch *f)
{
	atomic_fetch_add(&f->resumed_data, 1);
}

void engine_resume_upload(struct fetch *f)
{
	atomic_fetch_add(&f->resumed_upload, 1);
}

void engine_cancel(struct fetch *f)
{
	atomic_store(&f->cancelled, true);
}

int engine_fd(const struct engine *e)
{
	(void)e;
	return -1;
}

int engine_wait_ms(struct engine *e)
{
	(void)e;
	return -1;
}

bool engine_has_command(const struct engine *e)
{
	(void)e;
	return false;
}

/* The engine's own thread has nothing to do here, until the end. */
void engine_turn(struct engine *e, int wait_ms)
{
	(void)wait_ms;
	pthread_mutex_lock(&e->lock);
	while (!e->woken)
		pthread_cond_wait(&e->wake, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

void engine_stop(struct engine *e)
{
	(void)e;
	for (size_t i = 0; i < fake_count(); i++)
		if (!fake_fetch(i)->done)
			fake_done(fake_fetch(i), ENGINE_CANCELLED, "the end");
}

void engine_wake(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->woken = true;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

const char *engine_libraries(void)
{
	return "no library at all";
}

#endif
