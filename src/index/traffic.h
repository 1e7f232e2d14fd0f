/* traffic: hits and misses added up by hour and host, until they are written in one go. No locks: the owner's. */
#ifndef CURLEW_INDEX_TRAFFIC_H
#define CURLEW_INDEX_TRAFFIC_H

#include "index/index.h"

enum { TRAFFIC_HOSTS = 32 };

struct traffic {
	struct {
		int64_t hour;
		char host[INDEX_HOST];
		struct index_traffic sum;
	} rows[TRAFFIC_HOSTS];
	int count;
};

/* Adds to the row of that hour and host. False: there is no room for another row; write first. */
bool traffic_add(struct traffic *, int64_t at, const char *host, const struct index_traffic *);
/* Writes all rows, within a transaction, and forgets them. 0 or -1. */
int traffic_write(struct traffic *, struct index *);

#endif
