/* body_files: files of stored bodies, by name. Each function refuses a name that curlew does not give. Any thread. */
#ifndef CURLEW_BODY_BODY_FILES_H
#define CURLEW_BODY_BODY_FILES_H

#include <stdint.h>

struct bodies;

/* A descriptor on a regular file of that size; the caller closes it. -1: the file is missing or of another size. -2: it
 * is not known whether it is there (errno). */
int bodies_open_file(struct bodies *, const char *name, int64_t bytes);
/* 0: the file is gone, also when it was gone before. -1 with errno. */
int bodies_unlink(struct bodies *, const char *name);

#endif
