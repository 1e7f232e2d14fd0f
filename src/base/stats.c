/* One row a counter, in the order of the enum: name, whether it may fall, and what it counts. */
#include "base/stats.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

static const struct {
	const char *name;
	bool gauge;
	const char *help;
} table[] = {
    [STATS_REQUESTS] = {"requests", false, "Requests answered, in any way."},
    [STATS_HITS] = {"hits", false, "Answers from the cache without asking the origin."},
    [STATS_STALE_HITS] = {"stale_hits", false, "Answers from the cache that were stale, as allowed."},
    [STATS_REVALIDATED] = {"revalidated", false, "Answers from the cache after the origin said 304."},
    [STATS_MISSES] = {"misses", false, "Answers fetched because nothing usable was stored."},
    [STATS_COLLAPSED] = {"collapsed", false, "Answers that shared another request's fetch."},
    [STATS_PASSED] = {"passed", false, "Requests passed through, not answerable by a cache."},
    [STATS_TUNNELS] = {"tunnels", false, "CONNECT tunnels opened."},
    [STATS_FILES] = {"files", false, "Local files served from --root."},
    [STATS_ERRORS] = {"errors", false, "Answers curlew made because the origin could not."},
    [STATS_BAD_REQUESTS] = {"bad_requests", false, "Malformed or refused requests."},
    [STATS_CONNECTIONS_OPEN] = {"connections_open", true, "Client connections open now."},
    [STATS_CONNECTIONS] = {"connections", false, "Client connections accepted."},
    [STATS_WORKERS] = {"workers", true, "Worker threads alive now."},
    [STATS_NO_THREAD] = {"no_thread", false, "Requests answered with 503 because no thread was free in time."},
    [STATS_CUT] = {"cut", false, "Connections cut because they moved too little while threads were short."},
    [STATS_FETCHES] = {"fetches", false, "Requests sent to origins."},
    [STATS_FETCH_FAILURES] = {"fetch_failures", false, "Requests to origins that failed."},
    [STATS_RESUMED] = {"resumed", false, "Fetches that broke off and were asked for the rest."},
    [STATS_BYTES_FETCHED] = {"bytes_fetched", false, "Body bytes received from origins."},
    [STATS_BYTES_SENT] = {"bytes_sent", false, "Body bytes sent to clients."},
    [STATS_STORED] = {"stored", false, "Responses stored."},
    [STATS_REFUSED] = {"refused", false, "Responses fetched and not stored."},
    [STATS_STORE_TROUBLE] = {"store_trouble", false, "Failures of SQLite or the disk."},
    [STATS_EVICTED] = {"evicted", false, "Stored responses removed to keep the quota."},
    [STATS_BODIES_DROPPED] = {"bodies_dropped", false, "Body files unlinked, whole ones and halves."},
    [STATS_BROKEN_ROWS] = {"broken_rows", false, "Rows found invalid, or without a usable body file."},
    [STATS_LOG_DROPPED] = {"log_dropped", false, "Access log lines dropped because the log was behind."},
};

static _Atomic int64_t values[STATS_COUNTERS];

_Static_assert(sizeof table / sizeof table[0] == STATS_COUNTERS, "every counter has its row");

void stats_add(enum stats_counter c, int64_t n)
{
	atomic_fetch_add_explicit(&values[c], n, memory_order_relaxed);
}

int64_t stats_get(enum stats_counter c)
{
	return atomic_load_explicit(&values[c], memory_order_relaxed);
}

const char *stats_name(enum stats_counter c)
{
	return table[c].name;
}

const char *stats_help(enum stats_counter c)
{
	return table[c].help;
}

void stats_metrics(struct buf *out)
{
	for (enum stats_counter c = 0; c < STATS_COUNTERS; c++) {
		const char *suffix = table[c].gauge ? "" : "_total";
		buf_addf(out, "# HELP curlew_%s%s %s\n", table[c].name, suffix, table[c].help);
		buf_addf(out, "# TYPE curlew_%s%s %s\n", table[c].name, suffix, table[c].gauge ? "gauge" : "counter");
		buf_addf(out, "curlew_%s%s %" PRId64 "\n", table[c].name, suffix, stats_get(c));
	}
}
