/*
 * A new thread names itself: a detached thread may have ended before its starter could name it. So the new thread is
 * given a `struct start`, which it frees before it runs main().
 */
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct start {
	const char *name;
	void *(*main)(void *);
	void *ctx;
};

static void *run(void *arg)
{
	struct start start = *(struct start *)arg;
	free(arg);
	pthread_setname_np(pthread_self(), start.name);
	return start.main(start.ctx);
}

static int create(pthread_t *thread, const pthread_attr_t *attr, struct start start)
{
	struct start *given = malloc(sizeof *given);
	if (given == NULL)
		return ENOMEM;
	*given = start;
	int rc = pthread_create(thread, attr, run, given);
	if (rc != 0)
		free(given);
	return rc;
}

int thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *ctx)
{
	return create(thread, NULL, (struct start){name, main, ctx});
}

int thread_start_detached(const char *name, size_t stack_bytes, void *(*main)(void *), void *ctx)
{
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, stack_bytes);
	int rc = create(&thread, &attr, (struct start){name, main, ctx});
	pthread_attr_destroy(&attr);
	return rc;
}

void thread_cond_init(pthread_cond_t *condition)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &monotonic);
	pthread_condattr_destroy(&monotonic);
}
