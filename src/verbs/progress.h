/* progress: the line that `curlew get` keeps up to date on a terminal. Pure. */
#ifndef CURLEW_VERBS_PROGRESS_H
#define CURLEW_VERBS_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

/* How much of how much (expected: bytes, 0 or less when unknown) came in so many seconds, and how fast; before it a
 * bar, as far as there is room. The text takes at most `columns` columns, each one byte. Returns out. */
char *progress_line(char *out, size_t size, int columns, int64_t received, int64_t expected, double seconds);

#endif
