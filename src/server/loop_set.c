#include "server/loop_set.h"

#include "server/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOPS_MOST = 64 };

struct loop_set *loop_set_new(const struct loop_set_config *config, struct buf *why)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = cores < 1 ? 1 : cores > LOOPS_MOST ? LOOPS_MOST : (size_t)cores;
	struct loop_set *set = calloc(1, sizeof *set);
	struct loop *loops = calloc(count, sizeof *loops);
	if (set == NULL || loops == NULL) {
		free(set);
		free(loops);
		buf_adds(why, "event loops: out of memory");
		return NULL;
	}
	set->config = *config;
	set->loops = loops;
	int rc = 0;
	/* All are made before the first one starts: a loop gives the connections that it accepts to every other one. */
	for (; rc == 0 && set->count < count; set->count++)
		rc = loop_init(&loops[set->count], set, why);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = loop_start(&loops[i]);
	if (rc != 0) {
		buf_addf(why, "event loops: cannot start: %s (check the limits of threads and open files)",
		    strerror(rc > 0 ? rc : errno));
		loop_set_stop(set);
		loop_set_free(set);
		return NULL;
	}
	return set;
}

static void wake_all(struct loop_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		loop_wake(&set->loops[i]);
}

void loop_set_drain(struct loop_set *set)
{
	atomic_store(&set->drain_since_ms, loop_clock_ms());
	atomic_store(&set->draining, true);
	wake_all(set);
}

bool loop_set_turns(struct loop_set *set)
{
	bool all = true;
	for (size_t i = 0; i < set->count; i++) {
		uint64_t turns = atomic_load_explicit(&set->loops[i].turns, memory_order_relaxed);
		all = all && turns != set->loops[i].turns_seen;
		set->loops[i].turns_seen = turns;
	}
	wake_all(set);
	return all;
}

void loop_set_stop(struct loop_set *set)
{
	atomic_store(&set->ending, true);
	wake_all(set);
	for (size_t i = 0; i < set->count; i++)
		loop_join(&set->loops[i]);
}

void loop_set_free(struct loop_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		loop_fini(&set->loops[i]);
	free(set->loops);
	free(set);
}
