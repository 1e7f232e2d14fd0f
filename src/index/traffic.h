/*
 * traffic: the table traffic: hits and misses by hour and host. They are added up in memory and written together.
 *
 * There are no locks; the owner of a struct traffic uses it on one thread at a time.
 */
#ifndef CURLEW_INDEX_TRAFFIC_H
#define CURLEW_INDEX_TRAFFIC_H

#include "index/host.h"
#include "index/index.h"
#include "index/rows.h"

#include <stdbool.h>
#include <stdint.h>

enum { TRAFFIC_HOSTS = 32 };

struct index_traffic {
	int64_t hits, misses, hit_bytes, miss_bytes;
};

struct traffic {
	struct {
		int64_t hour; /* Unix seconds */
		char host[INDEX_HOST];
		struct index_traffic sum;
	} rows[TRAFFIC_HOSTS];
	int count;
};

/* Adds to the row of that hour and host. at: Unix seconds. False: all rows are taken; write them first. */
bool traffic_add(struct traffic *, int64_t at, const char *host, const struct index_traffic *);

/* Inside a transaction of the writing connection: */

/* Writes all rows and empties the struct. 0 or -1. */
int traffic_write(struct traffic *, struct index *);
/* Deletes the hours before that time. 0 or -1. */
int index_traffic_trim(struct index *, int64_t before);
/* Host and size of an entry that was hit. ABSENT: the entry was deleted. */
enum index_result index_hit_of(struct index *, int64_t id, char *host, size_t size, int64_t *body_bytes);

#endif
