#include "index/traffic.h"

#include <stdio.h>
#include <string.h>

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
