/*
 * thread: starts named threads, and makes condition variables for waits with a time limit. Any thread may call.
 *
 * A thread's name is what `top -H`, `ps -L` and debuggers show.
 */
#ifndef CURLEW_BASE_THREAD_H
#define CURLEW_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts a thread that runs main(ctx) under that name (a literal of at most 15 bytes). ctx stays the caller's. The
 * caller must join *thread. 0, or an error number (EAGAIN, ENOMEM) when no thread was started. */
int thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *ctx);
/* The same for a thread that nobody joins, with a stack of that size. */
int thread_start_detached(const char *name, size_t stack_bytes, void *(*main)(void *), void *ctx);

/* pthread_cond_init() for a condition variable that goes by CLOCK_MONOTONIC, so that a change of the system's date
 * neither shortens nor prolongs a wait. The time limit of pthread_cond_timedwait() is then a clock_after_us(). */
void thread_cond_init(pthread_cond_t *);

#endif
