/*
 * units: quantities as people write them. Each function reads the whole text. 0, or -1 when its form is wrong; *out is
 * then undefined. Pure. Any thread may call.
 */
#ifndef CURLEW_BASE_UNITS_H
#define CURLEW_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

int units_bytes(const char *text, int64_t *out);  /* "512M", "1.5 GiB" without the space: powers of 1024 */
int units_seconds(const char *text, double *out); /* "10", "2.5s"; at most 1,000,000: in milliseconds it fits an int */
/* "90s", "45 min", "30d", "2w": a number with a unit, which only 0 may lack. */
int units_span(const char *text, double *seconds);
int units_share(const char *text, int64_t *bytes, double *percent); /* "5%", or bytes with *percent 0 */
int units_count(const char *text, int64_t *out);
/* "100" or "100/s", "30/m", "1000/h": a count and a time in seconds; the count is at most 1,000,000. */
int units_rate(const char *text, int64_t *count, double *seconds);
int units_flag(const char *text, bool *out); /* yes, no, on, off, 1, 0 and the like; "" is yes */

#endif
