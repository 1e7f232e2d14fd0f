#include "base/stats.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

static const struct {
	const char *name;
	bool gauge; /* it may fall */
	const char *help;
} table[] = {
    [STATS_REQUESTS] = {"requests", false, "Requests that got a response of any kind."},
    [STATS_HITS] = {"hits", false, "Responses from the cache without contacting the origin."},
    [STATS_STALE_HITS] = {"stale_hits", false, "Stale responses from the cache, where that is allowed."},
    [STATS_REVALIDATED] = {"revalidated", false, "Responses from the cache after a 304 from the origin."},
    [STATS_MISSES] = {"misses", false, "Responses fetched because nothing usable was stored."},
    [STATS_COLLAPSED] = {"collapsed", false, "Responses that shared the fetch of another request."},
    [STATS_PASSED] = {"passed", false, "Requests passed to the origin because a cache cannot serve them."},
    [STATS_TUNNELS] = {"tunnels", false, "Tunnels opened, by CONNECT or by an upgrade to another protocol."},
    [STATS_FILES] = {"files", false, "Local files served from --root."},
    [STATS_ERRORS] = {"errors", false, "Error responses by curlew because the origin sent no usable one."},
    [STATS_BAD_REQUESTS] = {"bad_requests", false, "Malformed or refused requests."},
    [STATS_CONNECTIONS_OPEN] = {"connections_open", true, "Client connections open now."},
    [STATS_CONNECTIONS] = {"connections", false, "Client connections accepted."},
    [STATS_WORKERS] = {"workers", true, "Pool threads alive now."},
    [STATS_NO_THREAD] = {"no_thread", false, "Requests that got a 503 because no thread was free in time."},
    [STATS_CUT] = {"cut", false, "Connections closed because they were too slow while threads were scarce."},
    [STATS_FETCHES] = {"fetches", false, "Requests sent to origins."},
    [STATS_FETCH_FAILURES] = {"fetch_failures", false, "Requests to origins that failed."},
    [STATS_RESUMED] = {"resumed", false, "Fetches that broke off and were resumed."},
    [STATS_FLIGHTS_WAITING] = {"flights_waiting", true, "Fetches in progress that have no response head yet."},
    [STATS_FLIGHTS_STREAMING] = {"flights_streaming", true, "Fetches in progress whose body arrives."},
    [STATS_FLIGHTS_COMPLETE] = {"flights_complete", true, "Complete responses that are being stored."},
    [STATS_FLIGHTS_ENDED] = {"flights_ended", true, "Complete responses that clients still receive."},
    [STATS_FLIGHTS_ABORTED] = {"flights_aborted", true, "Broken responses that clients still receive."},
    [STATS_BYTES_FETCHED] = {"bytes_fetched", false, "Body bytes received from origins."},
    [STATS_BYTES_SENT] = {"bytes_sent", false, "Body bytes sent to clients."},
    [STATS_STORED] = {"stored", false, "Responses stored."},
    [STATS_REFUSED] = {"refused", false, "Responses fetched and not stored."},
    [STATS_STORE_TROUBLE] = {"store_trouble", false, "Errors of SQLite or the disk."},
    [STATS_EVICTED] = {"evicted", false, "Stored responses removed to stay within the quota."},
    [STATS_BODIES_DROPPED] = {"bodies_dropped", false, "Body files removed, complete or not."},
    [STATS_BROKEN_ROWS] = {"broken_rows", false, "Rows found invalid, or without a usable body file."},
    [STATS_LOG_DROPPED] = {"log_dropped", false, "Access log lines dropped because the log could not keep up."},
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
