/*
 * content_coding: the codings of content (RFC 9110 8.4). `identity` is no coding, and x-gzip is gzip.
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_CONTENT_CODING_H
#define CURLEW_HTTP_CONTENT_CODING_H

#include "http/message.h"

#include <stdbool.h>

bool content_coding_is_present(const struct head *response);
/* True when both contents have the same codings. Only then can their bytes be parts of one body, even when their
 * validators are the same: servers that compress as they send give both forms the same tag. */
bool content_coding_is_same(const struct head *, const struct head *);

#endif
