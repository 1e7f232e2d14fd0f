/*
 * preference: lists of names with weights, such as Accept-Encoding and Accept-Language (RFC 9110 12.4.2, 12.5). Pure.
 */
#ifndef CURLEW_HTTP_PREFERENCE_H
#define CURLEW_HTTP_PREFERENCE_H

#include "http/message.h"

enum { PREFERENCE_MAX = 32 };

struct preference {
	struct span name; /* borrowed from the request */
	int weight;       /* q in thousandths */
};

/* Every member of all lines of that name, in their order. Returns how many; -1 when one is malformed, has other
 * parameters than q, or there are too many. */
int preference_read(const struct head *request, struct span name, struct preference out[PREFERENCE_MAX]);

#endif
