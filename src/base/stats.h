/*
 * stats: the counters of the program, from one table. Counters only rise; gauges may fall. Any thread may add at any
 * time, without a lock. A reader sees a correct value of each counter, but not all counters at one instant.
 */
#ifndef CURLEW_BASE_STATS_H
#define CURLEW_BASE_STATS_H

#include "base/buf.h"

#include <stdint.h>

enum stats_counter {
	STATS_REQUESTS,
	STATS_HITS,
	STATS_STALE_HITS,
	STATS_REVALIDATED,
	STATS_MISSES,
	STATS_COLLAPSED,
	STATS_PASSED,
	STATS_TUNNELS,
	STATS_FILES,
	STATS_ERRORS,
	STATS_BAD_REQUESTS,
	STATS_CONNECTIONS_OPEN,
	STATS_CONNECTIONS,
	STATS_WORKERS,
	STATS_NO_THREAD,
	STATS_CUT,
	STATS_FETCHES,
	STATS_FETCH_FAILURES,
	STATS_RESUMED,
	/* One for each state of a flight, in the order of enum flight_state. */
	STATS_FLIGHTS_WAITING,
	STATS_FLIGHTS_STREAMING,
	STATS_FLIGHTS_COMPLETE,
	STATS_FLIGHTS_ENDED,
	STATS_FLIGHTS_ABORTED,
	STATS_BYTES_FETCHED,
	STATS_BYTES_SENT,
	STATS_STORED,
	STATS_REFUSED,
	STATS_STORE_TROUBLE,
	STATS_EVICTED,
	STATS_BODIES_DROPPED,
	STATS_BROKEN_ROWS,
	STATS_LOG_DROPPED,
	STATS_COUNTERS
};

void stats_add(enum stats_counter, int64_t n);
int64_t stats_get(enum stats_counter);
/* The name of the counter in snake case, and a sentence about it, for metrics and the status page. */
const char *stats_name(enum stats_counter);
const char *stats_help(enum stats_counter);
/* Appends all counters in Prometheus text format. */
void stats_metrics(struct buf *out);

#endif
