/*
 * output: bytes to descriptors that may be non-blocking. A pipe, socket or terminal shares that flag with every process
 * that has it open, so any of them may set it at any time; whoever writes must be ready to wait.
 */
#ifndef CURLEW_BASE_OUTPUT_H
#define CURLEW_BASE_OUTPUT_H

#include <stddef.h>

/* Writes all n bytes and waits where the descriptor has no room. 0, or -1 with errno. Any thread. */
int output_write(int fd, const char *bytes, size_t n);
/* Makes stdout and stderr streams that write with output_write(). Once, at start, before anything is printed. fileno()
 * of them is -1 afterwards: ask about STDOUT_FILENO instead. 0, or -1. */
int output_open_streams(void);
/* Descriptors 0 to 2 for a program that is not ready to wait: blocking, through an open file description of its own
 * where the system gives one, so that no other process notices. */
void output_make_blocking(void);

#endif
