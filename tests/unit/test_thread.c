/* Threads that name themselves, and waits on the monotonic clock. */
#include "base/thread.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char name[16];
	size_t stack_bytes;
	bool done;
};

static void *note_self(void *arg)
{
	struct seen *seen = arg;
	pthread_attr_t attr;
	pthread_getattr_np(pthread_self(), &attr);
	pthread_mutex_lock(&seen->lock);
	pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
	pthread_attr_getstacksize(&attr, &seen->stack_bytes);
	seen->done = true;
	pthread_cond_signal(&seen->changed);
	pthread_mutex_unlock(&seen->lock);
	pthread_attr_destroy(&attr);
	return seen;
}

static void seen_init(struct seen *seen)
{
	memset(seen, 0, sizeof *seen);
	pthread_mutex_init(&seen->lock, NULL);
	thread_cond_init(&seen->changed);
}

static void seen_fini(struct seen *seen)
{
	pthread_cond_destroy(&seen->changed);
	pthread_mutex_destroy(&seen->lock);
}

static void a_thread_has_its_name_before_its_main_function_runs(void **state)
{
	(void)state;
	struct seen seen;
	pthread_t thread;
	void *result = NULL;
	seen_init(&seen);
	assert_int_equal(thread_start(&thread, "some name", note_self, &seen), 0);
	pthread_join(thread, &result);
	assert_ptr_equal(result, &seen);
	assert_string_equal(seen.name, "some name");
	seen_fini(&seen);
}

static void a_detached_thread_has_its_name_and_its_stack(void **state)
{
	(void)state;
	static struct seen seen; /* the thread may still unlock it when the test ends */
	const size_t stack_bytes = 256 << 10;
	seen_init(&seen);
	pthread_mutex_lock(&seen.lock);
	assert_int_equal(thread_start_detached("other name", stack_bytes, note_self, &seen), 0);
	while (!seen.done)
		pthread_cond_wait(&seen.changed, &seen.lock);
	assert_string_equal(seen.name, "other name");
	assert_in_range(seen.stack_bytes, stack_bytes, 2 * stack_bytes); /* the default is megabytes */
	pthread_mutex_unlock(&seen.lock);
}

/* On the clock of dates, a moment of the monotonic clock is in 1970, and the wait ends too early. */
static void a_wait_goes_by_the_monotonic_clock(void **state)
{
	(void)state;
	struct seen seen;
	seen_init(&seen);
	int64_t begun = clock_us();
	struct timespec until = clock_after_us(2000);
	pthread_mutex_lock(&seen.lock);
	int rc = 0;
	while (rc == 0)
		rc = pthread_cond_timedwait(&seen.changed, &seen.lock, &until);
	pthread_mutex_unlock(&seen.lock);
	assert_int_equal(rc, ETIMEDOUT);
	assert_true(clock_us() - begun >= 2000);
	seen_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thread_has_its_name_before_its_main_function_runs),
	    cmocka_unit_test(a_detached_thread_has_its_name_and_its_stack),
	    cmocka_unit_test(a_wait_goes_by_the_monotonic_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
