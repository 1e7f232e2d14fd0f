/* store_limits: how much a cache may hold. */
#ifndef CURLEW_STORE_STORE_LIMITS_H
#define CURLEW_STORE_STORE_LIMITS_H

#include <stdint.h>

struct store_limits {
	int64_t size_bytes;      /* quota of all bodies; 0: none */
	int64_t max_entries;     /* quota of rows; 0: none */
	int64_t min_free_bytes;  /* to be left free on the disk; 0: min_free_percent counts */
	double min_free_percent; /* of the disk; 0: nothing need be left free */
};

#endif
