/*
 * log: what curlew says. Diagnostics go to stderr as "curlew: what: why (what to do)"; the access log
 * goes to a file or stdout through a thread of its own, so that no request ever waits for a disk.
 *
 * Any thread may call any function. An access line that finds the log's buffer full is dropped and
 * counted (STATS_LOG_DROPPED), because an answer matters more than its line.
 */
#ifndef CURLEW_BASE_LOG_H
#define CURLEW_BASE_LOG_H

#include "base/span.h"

#include <stdint.h>

/* One diagnostic line, written at once; adds "curlew: " and the newline. */
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like log_say, but the same `topic` (a literal) speaks at most once in ten seconds and then says how often
 * it kept silent: for trouble that repeats with every request. */
void log_trouble(const char *topic, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Opens the access log: "off", "-" (stdout) or a path (appended to). 0, or -1 with errno. Starts the thread. */
int log_access_open(const char *where);
/* True when access lines are wanted: lets a caller skip making them. */
bool log_access_wanted(void);
/* Opens the same path again (SIGHUP, after a rotation). */
void log_access_reopen(void);
/* Writes out what is waiting and ends the thread. */
void log_access_close(void);

/* One answered request, in combined log format with the verdict and the time taken behind it. */
struct log_access {
	struct span client; /* address, no port */
	struct span request_line;
	struct span referer;    /* may be empty */
	struct span user_agent; /* may be empty */
	int status;
	int64_t body_bytes;  /* sent */
	struct span verdict; /* hit, miss, ... */
	int64_t took_us;
};
void log_access(const struct log_access *, int64_t now);

#endif
