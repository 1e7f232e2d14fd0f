/*
 * log: diagnostics and the access log. Diagnostics go to stderr as "curlew: what: why (what to do)". The access log
 * goes to a file or to stdout through a thread of its own, so that no request waits for a disk.
 *
 * Any thread may call. When the buffer of the access log is full, a line is dropped and counted (STATS_LOG_DROPPED).
 */
#ifndef CURLEW_BASE_LOG_H
#define CURLEW_BASE_LOG_H

#include "base/span.h"

#include <stdint.h>

/* Writes one diagnostic line, and adds "curlew: " and the newline. Control characters are escaped. */
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like log_say(), for errors that repeat with every request: writes at most one line in ten seconds for each `topic` (a
 * literal), with the number of lines left out. */
void log_trouble(const char *topic, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes log_detail() write (--verbose). Before other threads start. */
void log_show_details(void);
/* True when log_detail() writes. */
bool log_details_wanted(void);
/* Like log_say(), for a step that only somebody who looks for a fault wants to see. */
void log_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens the access log: "off", "-" (stdout) or a path (appended to). Starts the thread. If a log is open, this one
 * takes its place, also when it is the same path (after a rotation). 0, or -1 with errno; then nothing has changed. The
 * main thread. */
int log_access_open(const char *where);
/* True when the access log is open. Otherwise a caller need not make lines. */
bool log_access_wanted(void);
/* Writes the lines that are left and ends the thread. */
void log_access_close(void);

/* One request, in combined log format, followed by the verdict and the time it took. */
struct log_access {
	struct span client; /* address, no port */
	struct span user;   /* may be empty */
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
