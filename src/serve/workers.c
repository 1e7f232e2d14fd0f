/*
 * One queue, one lock. A thread is started when there is more work waiting than threads waiting for it; a thread that finds no work for
 * IDLE_S seconds ends. Threads are detached; `alive` counts them.
 */
#include "serve/workers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"

#include <pthread.h>
#include <stdlib.h>

enum { MOST = 8192, IDLE_S = 10, STACK_BYTES = 512 << 10 };

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work_came;
	pthread_cond_t thread_left;
	struct work *first, **last;
	unsigned waiting_work;
	unsigned idle;
	unsigned alive;
	bool ending;
};

/* The next piece of work, or NULL when the thread should end. Under the lock. */
static struct work *next_work(struct workers *w)
{
	struct timespec until = clock_after_us(IDLE_S * 1000000L);
	while (w->first == NULL) {
		if (w->ending)
			return NULL;
		w->idle++;
		int timed_out = pthread_cond_timedwait(&w->work_came, &w->lock, &until);
		w->idle--;
		if (timed_out && w->first == NULL)
			return NULL;
	}
	struct work *work = w->first;
	w->first = work->next;
	if (w->first == NULL)
		w->last = &w->first;
	w->waiting_work--;
	return work;
}

static void *worker_main(void *arg)
{
	struct workers *w = arg;
	struct work *work;
	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&w->lock);
	while ((work = next_work(w)) != NULL) {
		pthread_mutex_unlock(&w->lock);
		work->run(work);
		pthread_mutex_lock(&w->lock);
	}
	w->alive--;
	stats_add(STATS_WORKERS, -1);
	pthread_cond_broadcast(&w->thread_left);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct workers *workers_new(void)
{
	struct workers *w = calloc(1, sizeof *w);
	if (w == NULL)
		return NULL;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work_came, &attr);
	pthread_cond_init(&w->thread_left, &attr);
	pthread_condattr_destroy(&attr);
	w->last = &w->first;
	return w;
}

static int start_thread(struct workers *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	int rc = pthread_create(&thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return -1;
	w->alive++;
	stats_add(STATS_WORKERS, 1);
	return 0;
}

static bool run_work(struct workers *w, struct work *work, bool now)
{
	bool taken = true, wake = false;
	pthread_mutex_lock(&w->lock);
	if (w->waiting_work >= w->idle && (w->alive >= MOST || start_thread(w) != 0)) {
		log_trouble("workers", "no more threads: requests wait (%u at work; raise the limit of processes)", w->alive);
		taken = w->alive > 0 && !now;
	}
	if (taken) {
		work->next = NULL;
		*w->last = work;
		w->last = &work->next;
		w->waiting_work++;
		wake = w->idle > 0;
	}
	pthread_mutex_unlock(&w->lock);
	if (wake)
		pthread_cond_signal(&w->work_came); /* without the lock: who wakes wants it first of all */
	return taken;
}

bool workers_run(struct workers *w, struct work *work)
{
	return run_work(w, work, false);
}

bool workers_run_now(struct workers *w, struct work *work)
{
	return run_work(w, work, true);
}

bool workers_end(struct workers *w, double seconds)
{
	if (w == NULL)
		return true;
	struct timespec until = clock_after_us((int64_t)(seconds * 1e6));
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->work_came);
	int timed_out = 0;
	while (w->alive > 0 && !timed_out)
		timed_out = pthread_cond_timedwait(&w->thread_left, &w->lock, &until);
	bool all = w->alive == 0;
	pthread_mutex_unlock(&w->lock);
	if (all) {
		pthread_cond_destroy(&w->work_came);
		pthread_cond_destroy(&w->thread_left);
		pthread_mutex_destroy(&w->lock);
		free(w);
	}
	return all;
}
