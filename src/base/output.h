/*
 * output: writing to descriptors that may be non-blocking. Every process that has a pipe, socket or terminal open
 * shares this flag and may set it at any time, so any write may have to wait.
 */
#ifndef CURLEW_BASE_OUTPUT_H
#define CURLEW_BASE_OUTPUT_H

#include <stddef.h>

/* Writes all n bytes, and waits while the descriptor takes none. 0, or -1 with errno. Any thread may call. */
int output_write(int fd, const char *bytes, size_t n);
/* Makes stdout and stderr streams that write with output_write(). Called once, before anything is printed. fileno() of
 * these streams is -1 afterwards: use STDOUT_FILENO. 0, or -1. */
int output_open_streams(void);
/* Makes descriptors 0 to 2 blocking, for a program that is about to be executed. Each gets an open file description of
 * its own if the system allows, so that other processes keep their flag. */
void output_make_blocking(void);

#endif
