/*
 * date: HTTP dates (RFC 9110 5.6.7). Pure. All three forms are read strictly, but without case (RFC 9111 4.2). The day
 * name must be a day name, but need not be the right one. IMF-fixdate is written.
 */
#ifndef CURLEW_HTTP_DATE_H
#define CURLEW_HTTP_DATE_H

#include "http/message.h"

#include <stdbool.h>
#include <stdint.h>

enum { DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/* Unix seconds into *at. False when the text is none of the three forms. now: resolves the two-digit year of RFC 850.
 */
bool date_parse(struct span text, int64_t now, int64_t *at);
/* date_parse() of the first field of that name; false also when there is none. */
bool date_find(const struct head *, const char *name, int64_t now, int64_t *at);
void date_format(int64_t at, char out[DATE_BYTES]);

#endif
