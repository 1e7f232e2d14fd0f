/*
 * A state changes at once, under the flight's lock, but those who wait are woken once per batch of callbacks: head,
 * body and end of a small response arrive together and cost one wake-up instead of three. The list `pending` belongs to
 * the owner's thread alone; each flight in it holds a reference.
 */
#include "fetch/flight_engine.h"

#include "fetch/flight_state.h"
#include "fetch/flight_table.h"

#include <stdlib.h>

void flight_engine_wake_later(struct flight_engine *fe, struct flight *f)
{
	if (f->wakeup_pending)
		return;
	f->wakeup_pending = true;
	flight_state_hold(f);
	f->next_pending_wakeup = fe->pending;
	fe->pending = f;
}

void flight_engine_batch_end(void *flight_engine)
{
	struct flight_engine *fe = flight_engine;
	while (fe->pending != NULL) {
		struct flight *f = fe->pending;
		fe->pending = f->next_pending_wakeup;
		pthread_mutex_lock(&f->lock);
		f->wakeup_pending = false;
		/* Only this thread clears notify, so it may be called after the lock is released. */
		void (*notify)(void *) = f->notified_on == fe ? f->notify : NULL;
		void *ctx = f->notify_ctx;
		pthread_mutex_unlock(&f->lock);
		pthread_cond_broadcast(&f->changed); /* without the lock, which each woken thread needs first of all */
		if (notify != NULL)
			notify(ctx);
		flight_state_drop(f);
	}
}

struct flight_engine *flight_engine_new(struct flight_table *t, struct buf *why)
{
	struct flight_engine *fe = calloc(1, sizeof *fe);
	if (fe == NULL) {
		buf_adds(why, "fetching: out of memory");
		return NULL;
	}
	struct engine_config config = t->config.engine;
	config.looks_up = false;
	config.batch_end = flight_engine_batch_end;
	config.ctx = fe;
	fe->engine = engine_new(&config, why);
	if (fe->engine == NULL) {
		free(fe);
		return NULL;
	}
	return fe;
}

void flight_engine_free(struct flight_engine *fe)
{
	if (fe == NULL)
		return;
	engine_free(fe->engine);
	free(fe);
}
