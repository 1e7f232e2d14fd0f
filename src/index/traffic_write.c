/* The tables traffic and purge. */
#include "index/row.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* As entry.host: without port, IPv6 in brackets. */
void index_host_of(const char *url, char *host, size_t size)
{
	const char *from = strstr(url, "://");
	from = from != NULL ? from + 3 : url;
	size_t n = from[0] == '[' ? strcspn(from, "]") + 1 : strcspn(from, ":/");
	snprintf(host, size, "%.*s", (int)(n < size ? n : size - 1), from);
}

bool index_purged(struct index *ix, const char *url, int64_t purge_id)
{
	char host[INDEX_HOST];
	sqlite3_stmt *st = ix->statements[PURGED];
	index_host_of(url, host, sizeof host);
	sqlite3_bind_int64(st, 1, purge_id);
	index_bind_text(st, 2, url);
	index_bind_text(st, 3, host);
	if (index_bind_normal(st, 4, url) < 0)
		return true; /* what may have been purged is not stored */
	enum index_result found = index_ask(ix, PURGED, "asking whether a URL was purged");
	index_rest(ix, PURGED);
	return found == INDEX_FOUND;
}

int index_traffic(struct index *ix, int64_t hour, const char *host, const struct index_traffic *t)
{
	assert(ix->who != NULL);
	sqlite3_stmt *st = ix->statements[TRAFFIC];
	sqlite3_bind_int64(st, 1, hour);
	index_bind_text(st, 2, host);
	sqlite3_bind_int64(st, 3, t->hits);
	sqlite3_bind_int64(st, 4, t->misses);
	sqlite3_bind_int64(st, 5, t->hit_bytes);
	sqlite3_bind_int64(st, 6, t->miss_bytes);
	return index_run(ix, TRAFFIC, "counting traffic");
}

int index_traffic_trim(struct index *ix, int64_t before)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[TRAFFIC_TRIM], 1, before);
	return index_run(ix, TRAFFIC_TRIM, "forgetting old traffic");
}

enum index_result index_hit_of(struct index *ix, int64_t id, char *host, size_t size, int64_t *body_bytes)
{
	sqlite3_stmt *st = ix->statements[TRAFFIC_HIT];
	sqlite3_bind_int64(st, 1, id);
	enum index_result found = index_ask(ix, TRAFFIC_HIT, "counting hits");
	if (found == INDEX_FOUND) {
		const char *text = (const char *)sqlite3_column_text(st, 0);
		snprintf(host, size, "%s", text != NULL ? text : "");
		struct index_row r = {.st = st, .next = 1};
		*body_bytes = index_row_number(&r, "", 0, ROW_BYTES_MAX);
		found = r.wrong != NULL ? INDEX_ABSENT : found;
	}
	index_rest(ix, TRAFFIC_HIT);
	return found;
}
