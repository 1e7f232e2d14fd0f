/* clock: monotonic time (CLOCK_MONOTONIC), and pauses. For dates, use time(). Any thread may call. */
#ifndef CURLEW_BASE_CLOCK_H
#define CURLEW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t clock_ms(void)
{
	return clock_us() / 1000;
}

static inline double clock_s(void)
{
	return (double)clock_us() / 1e6;
}

/* The time `us` microseconds from now, for waits on a condition variable of thread_cond_init(). */
static inline struct timespec clock_after_us(int64_t us)
{
	int64_t at = clock_us() + us;
	return (struct timespec){at / 1000000, at % 1000000 * 1000};
}

/* A signal may end the pause early. */
static inline void clock_pause_us(int64_t us)
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&t, NULL);
}

#endif
