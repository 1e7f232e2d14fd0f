#include "fetch/engine_thread.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct engine_thread {
	struct engine *engine;
	pthread_t thread;
	atomic_bool ending;
};

static void *engine_main(void *arg)
{
	struct engine_thread *t = arg;
	while (!atomic_load(&t->ending))
		engine_turn(t->engine, engine_wait_ms(t->engine));
	engine_stop(t->engine);
	return NULL;
}

struct engine_thread *engine_thread_new(struct engine *e, struct buf *why)
{
	struct engine_thread *t = calloc(1, sizeof *t);
	if (t != NULL) {
		t->engine = e;
		int rc = thread_start(&t->thread, "engine", engine_main, t);
		if (rc == 0)
			return t;
		buf_addf(why, "fetching: %s", strerror(rc));
	} else {
		buf_adds(why, "fetching: out of memory");
	}
	engine_free(e);
	free(t);
	return NULL;
}

/* Fetches that the end of others begins (redirects, resumed bodies) are cancelled as well: see engine_stop(). */
void engine_thread_free(struct engine_thread *t)
{
	if (t == NULL)
		return;
	atomic_store(&t->ending, true);
	engine_wake(t->engine);
	pthread_join(t->thread, NULL);
	engine_free(t->engine);
	free(t);
}
