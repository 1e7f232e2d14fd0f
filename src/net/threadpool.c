/*
 * One lock. Work of requests waits in a fair queue and is counted against the ceiling while it is at work; work that a
 * request itself waits for has a line of its own and goes first. A thread is started when there is more work that may
 * run than threads waiting for it; a thread that finds no work for IDLE_S seconds ends. Threads are detached; `alive`
 * counts them.
 */
#include "net/threadpool.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

enum { IDLE_S = 10, STACK_BYTES = 512 << 10 };

struct threadpool {
	pthread_mutex_t lock;
	pthread_cond_t work_came;
	pthread_cond_t thread_left;
	struct fair_queue queue;
	struct fair_queue urgent; /* of one client: in the order they came */
	size_t most;
	size_t busy; /* pieces of work from the queue, being run */
	size_t idle;
	size_t alive;
	bool refused; /* the system gave no thread when one was last asked for */
	bool ending;
};

static struct work *work_of(struct fair_item *i)
{
	return i != NULL ? (struct work *)(void *)((char *)i - offsetof(struct work, item)) : NULL;
}

/* How much work could be run now, had it threads. Under the lock. */
static size_t runnable(const struct threadpool *w)
{
	size_t room = w->most - w->busy;
	return w->urgent.count + (w->queue.count < room ? w->queue.count : room);
}

/* The next piece of work, or NULL when the thread should end. Under the lock. */
static struct work *next_work(struct threadpool *w, bool *counted)
{
	struct timespec until = clock_after_us(IDLE_S * 1000000L);
	while (runnable(w) == 0) {
		if (w->ending && w->queue.count == 0)
			return NULL;
		w->idle++;
		int timed_out = pthread_cond_timedwait(&w->work_came, &w->lock, &until);
		w->idle--;
		if (timed_out && runnable(w) == 0)
			return NULL;
	}
	*counted = w->urgent.count == 0;
	w->busy += *counted ? 1 : 0;
	return work_of(fair_pop(*counted ? &w->queue : &w->urgent));
}

static void *pool_thread_main(void *arg)
{
	struct threadpool *w = arg;
	struct work *work;
	bool counted;
	pthread_mutex_lock(&w->lock);
	while ((work = next_work(w, &counted)) != NULL) {
		pthread_mutex_unlock(&w->lock);
		work->run(work);
		pthread_mutex_lock(&w->lock);
		w->busy -= counted ? 1 : 0;
	}
	w->alive--;
	stats_add(STATS_WORKERS, -1);
	pthread_cond_broadcast(&w->thread_left);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct threadpool *threadpool_new(unsigned most)
{
	struct threadpool *w = calloc(1, sizeof *w);
	if (w == NULL)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	thread_cond_init(&w->work_came);
	thread_cond_init(&w->thread_left);
	w->most = most;
	return w;
}

static int start_thread(struct threadpool *w)
{
	if (thread_start_detached("pool", STACK_BYTES, pool_thread_main, w) != 0)
		return -1;
	w->alive++;
	stats_add(STATS_WORKERS, 1);
	return 0;
}

static bool run_work(struct threadpool *w, struct work *work, bool urgent)
{
	bool taken = true, wake = false;
	work->item.since_ms = clock_ms();
	pthread_mutex_lock(&w->lock);
	struct fair_queue *queue = urgent ? &w->urgent : &w->queue;
	bool waits = !urgent && w->busy + w->queue.count >= w->most;
	if (!waits && runnable(w) >= w->idle) {
		w->refused = start_thread(w) != 0;
		taken = !w->refused || (!urgent && w->alive > 0);
	}
	if (taken) {
		fair_push(queue, &work->item);
		wake = w->idle > 0;
	}
	bool refused = w->refused;
	size_t busy = w->busy;
	pthread_mutex_unlock(&w->lock);
	if (wake)
		pthread_cond_signal(&w->work_came); /* without the lock: the thread that wakes takes it first of all */
	if (waits)
		log_trouble("workers", "all %zu threads are busy: requests wait (raise --threads)", w->most);
	else if (refused)
		log_trouble("workers",
		    "the system gives no more threads: requests wait (%zu at work; raise the limit of processes)",
		    busy);
	return taken;
}

bool threadpool_run(struct threadpool *w, struct work *work)
{
	return run_work(w, work, false);
}

bool threadpool_run_now(struct threadpool *w, struct work *work)
{
	work->item.client = 0;
	return run_work(w, work, true);
}

struct min_rate_load threadpool_load(struct threadpool *w)
{
	pthread_mutex_lock(&w->lock);
	struct min_rate_load load = {
	    .busy = w->busy, .most = w->refused && w->alive < w->most ? w->alive : w->most, .waiting = w->queue.count};
	pthread_mutex_unlock(&w->lock);
	return load;
}

struct work *threadpool_take_late(struct threadpool *w, int64_t waited_ms)
{
	int64_t until_ms = clock_ms() - waited_ms;
	pthread_mutex_lock(&w->lock);
	struct fair_item *late = fair_pop_old(&w->queue, until_ms);
	pthread_mutex_unlock(&w->lock);
	return work_of(late);
}

struct work *threadpool_next_late(const struct work *work)
{
	return work_of(work->item.next);
}

bool threadpool_end(struct threadpool *w, double seconds)
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
