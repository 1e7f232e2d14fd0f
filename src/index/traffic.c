#include "index/traffic.h"

#include "index/row.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

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
	enum index_result found = index_step(ix, TRAFFIC_HIT, "counting hits");
	if (found == INDEX_FOUND) {
		const char *text = (const char *)sqlite3_column_text(st, 0);
		snprintf(host, size, "%s", text != NULL ? text : "");
		struct index_row r = {.st = st, .next = 1};
		*body_bytes = index_row_number(&r, "", 0, ROW_BYTES_MAX);
		found = r.wrong != NULL ? INDEX_ABSENT : found;
	}
	index_reset(ix, TRAFFIC_HIT);
	return found;
}

bool traffic_add(struct traffic *t, int64_t at, const char *host, const struct index_traffic *more)
{
	int64_t hour = at - at % 3600;
	int i = 0;
	while (i < t->count && (t->rows[i].hour != hour || strcmp(t->rows[i].host, host) != 0))
		i++;
	if (i == TRAFFIC_HOSTS)
		return false;
	if (i == t->count) {
		memset(&t->rows[i], 0, sizeof t->rows[i]);
		t->rows[i].hour = hour;
		snprintf(t->rows[i].host, sizeof t->rows[i].host, "%s", host);
		t->count++;
	}
	t->rows[i].sum.hits += more->hits;
	t->rows[i].sum.misses += more->misses;
	t->rows[i].sum.hit_bytes += more->hit_bytes;
	t->rows[i].sum.miss_bytes += more->miss_bytes;
	return true;
}

int traffic_write(struct traffic *t, struct index *ix)
{
	int result = 0;
	for (int i = 0; i < t->count && result == 0; i++)
		result = index_traffic(ix, t->rows[i].hour, t->rows[i].host, &t->rows[i].sum);
	t->count = 0;
	return result;
}
