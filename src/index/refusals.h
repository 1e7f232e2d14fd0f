/*
 * refusals: the table refusal: URLs that were fetched and not stored. The thread of the writing connection calls,
 * inside a transaction. Each function returns 0 or -1.
 */
#ifndef CURLEW_INDEX_REFUSALS_H
#define CURLEW_INDEX_REFUSALS_H

#include "index/index.h"

#include <stdint.h>

/* `times` more refusals of the URL; the last one `at` (Unix seconds), for this reason. */
int index_refuse(struct index *, const char *url, const char *reason, int status, int64_t at, int64_t times);
/* The URL is stored now. */
int index_refusal_forget(struct index *, const char *url);
/* Keeps the last `keep` rows. */
int index_refusals_trim(struct index *, int64_t keep);

#endif
