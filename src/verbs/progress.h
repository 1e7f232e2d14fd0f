/* progress: the progress line of `curlew get`. Pure. */
#ifndef CURLEW_VERBS_PROGRESS_H
#define CURLEW_VERBS_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

/* The bytes received, the bytes expected (<= 0: unknown) and the rate after so many seconds; if there is room, a bar
 * before them. The text has at most `columns` columns, each one byte. Returns out. */
char *progress_line(char *out, size_t size, int columns, int64_t received, int64_t expected, double seconds);

#endif
