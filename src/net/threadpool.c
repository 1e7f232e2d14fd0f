/*
 * One lock protects everything but `most`, which is fixed. It is held for queue operations and for starting a thread,
 * never while work runs.
 *
 * Work of requests waits in a fair queue, and is counted in `busy` while it runs, up to `most`. Urgent work, which a
 * request itself waits for, has a queue of its own, goes first and is not counted.
 *
 * A thread is started when more work may run than threads are idle. A thread that finds no work for IDLE_S seconds
 * ends. Threads are detached, because nobody knows in advance which of them ends when; `alive` counts them.
 *
 * Invariant: if `busy < most` and the queue is not empty, a thread is idle, or on its way to next_work(), or could not
 * be started.
 */
#include "net/threadpool.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

/* The stack is small, because there may be hundreds of threads: the large buffers are on the heap. */
enum { IDLE_S = 10, STACK_BYTES = 512 << 10 };

struct threadpool {
	pthread_mutex_t lock;
	pthread_cond_t work_came;   /* one piece of work, one signal; or the pool ends: a broadcast */
	pthread_cond_t thread_left; /* a thread has ended: for threadpool_end() alone */
	struct fair_queue queue;
	struct fair_queue urgent; /* one client: in the order of arrival */
	size_t most;
	size_t busy;  /* pieces of work from `queue` that run now */
	size_t idle;  /* threads that wait for work_came */
	size_t alive; /* all threads */
	bool refused; /* the system did not start a thread when the pool last wanted one */
	bool ending;
};

static struct work *work_of(struct fair_item *i)
{
	return i != NULL ? (struct work *)(void *)((char *)i - offsetof(struct work, item)) : NULL;
}

/* How many pieces of work may run now, if there are threads. Each of them needs an idle thread or a new one; run_work()
 * and the end of each piece of work see to that. Under the lock. */
static size_t runnable(const struct threadpool *pool)
{
	size_t room = pool->most - pool->busy;
	return pool->urgent.count + (pool->queue.count < room ? pool->queue.count : room);
}

/* Waits for the next piece of work. NULL: the thread should end. counted: the work counts as busy, and the caller takes
 * it off the count afterwards. Under the lock. */
static struct work *next_work(struct threadpool *pool, bool *counted)
{
	struct timespec until = clock_after_us(IDLE_S * 1000000L);
	while (runnable(pool) == 0) {
		if (pool->ending && pool->queue.count == 0)
			return NULL;
		pool->idle++;
		int timed_out = pthread_cond_timedwait(&pool->work_came, &pool->lock, &until);
		pool->idle--;
		/* The work is looked at even after a timeout: it may have been added between the timeout and the lock,
		 * and its signal may have been meant for this thread. Else it would wait until the next thread looks.
		 */
		if (timed_out && runnable(pool) == 0)
			return NULL;
	}
	/* Urgent work first: a busy thread waits for it. */
	*counted = pool->urgent.count == 0;
	pool->busy += *counted ? 1 : 0;
	return work_of(fair_queue_pop(*counted ? &pool->queue : &pool->urgent));
}

static void *pool_thread_main(void *arg)
{
	struct threadpool *pool = arg;
	struct work *work;
	bool counted;
	pthread_mutex_lock(&pool->lock);
	while ((work = next_work(pool, &counted)) != NULL) {
		pthread_mutex_unlock(&pool->lock);
		work->run(work);
		pthread_mutex_lock(&pool->lock);
		pool->busy -= counted ? 1 : 0;
	}
	/* Under the lock, and the last that this thread does: threadpool_end() frees the pool when the last one has
	 * unlocked it. */
	pool->alive--;
	stats_add(STATS_WORKERS, -1);
	pthread_cond_broadcast(&pool->thread_left);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

struct threadpool *threadpool_new(unsigned most)
{
	struct threadpool *pool = calloc(1, sizeof *pool);
	if (pool == NULL)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	thread_cond_init(&pool->work_came);
	thread_cond_init(&pool->thread_left);
	pool->most = most;
	return pool;
}

/* Under the lock: else two callers could both start a thread for one piece of work, or exceed the limit together. */
static int start_thread(struct threadpool *pool)
{
	if (thread_start_detached("pool", STACK_BYTES, pool_thread_main, pool) != 0)
		return -1;
	pool->alive++;
	stats_add(STATS_WORKERS, 1);
	return 0;
}

static bool run_work(struct threadpool *pool, struct work *work, bool urgent)
{
	bool taken = true, wake = false;
	work->item.since_ms = clock_ms();
	pthread_mutex_lock(&pool->lock);
	struct fair_queue *queue = urgent ? &pool->urgent : &pool->queue;
	/* A request beyond the limit needs no thread: one of the busy ones will take it. */
	bool waits = !urgent && pool->busy + pool->queue.count >= pool->most;
	/* runnable() does not count this piece yet: if all idle threads have work coming, it needs a thread of its own.
	 */
	if (!waits && runnable(pool) >= pool->idle) {
		pool->refused = start_thread(pool) != 0;
		/* Without a new thread, a request can wait for one of those alive. Urgent work cannot: all of them may
		 * wait for it. */
		taken = !pool->refused || (!urgent && pool->alive > 0);
	}
	if (taken) {
		fair_queue_push(queue, &work->item);
		wake = pool->idle > 0;
	}
	bool refused = pool->refused;
	size_t busy = pool->busy;
	pthread_mutex_unlock(&pool->lock);
	if (wake)
		pthread_cond_signal(&pool->work_came); /* unlocked: the woken thread needs the lock */
	if (waits)
		log_trouble("threadpool", "all %zu threads are busy: requests wait (raise --threads)", pool->most);
	else if (refused)
		log_trouble("threadpool",
		    "the system starts no more threads: requests wait for the %zu that are busy (raise the limit of "
		    "processes: ulimit -u)",
		    busy);
	return taken;
}

bool threadpool_run(struct threadpool *pool, struct work *work)
{
	return run_work(pool, work, false);
}

bool threadpool_run_now(struct threadpool *pool, struct work *work)
{
	work->item.client = 0;
	return run_work(pool, work, true);
}

struct min_rate_load threadpool_load(struct threadpool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct min_rate_load load = {.busy = pool->busy,
	    .most = pool->refused && pool->alive < pool->most ? pool->alive : pool->most,
	    .waiting = pool->queue.count};
	pthread_mutex_unlock(&pool->lock);
	return load;
}

struct work *threadpool_take_late(struct threadpool *pool, int64_t waited_ms)
{
	int64_t until_ms = clock_ms() - waited_ms;
	pthread_mutex_lock(&pool->lock);
	struct fair_item *late = fair_queue_pop_old(&pool->queue, until_ms);
	pthread_mutex_unlock(&pool->lock);
	return work_of(late);
}

struct work *threadpool_next_late(const struct work *work)
{
	return work_of(work->item.next);
}

bool threadpool_end(struct threadpool *pool, double seconds)
{
	if (pool == NULL)
		return true;
	struct timespec until = clock_after_us((int64_t)(seconds * 1e6));
	pthread_mutex_lock(&pool->lock);
	/* Threads end only when the queue is empty, so that every connection in it is released by its own work. */
	pool->ending = true;
	pthread_cond_broadcast(&pool->work_came);
	int timed_out = 0;
	while (pool->alive > 0 && !timed_out)
		timed_out = pthread_cond_timedwait(&pool->thread_left, &pool->lock, &until);
	bool all = pool->alive == 0; /* else a thread still uses the pool, and it is never freed */
	pthread_mutex_unlock(&pool->lock);
	if (all) {
		pthread_cond_destroy(&pool->work_came);
		pthread_cond_destroy(&pool->thread_left);
		pthread_mutex_destroy(&pool->lock);
		free(pool);
	}
	return all;
}
