/*
 * name_lookups: the look-ups of host names that are in progress: at most one for each name, and NAME_LOOKUPS_MAX in
 * all. Of transfers, this file knows only that each has a struct name_wait. The engine's thread only.
 */
#ifndef CURLEW_FETCH_NAME_LOOKUPS_H
#define CURLEW_FETCH_NAME_LOOKUPS_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { NAME_LOOKUPS_MAX = 64 };

struct name_lookups;
struct name_lookup;

/* A member of each transfer: the look-up that it takes part in. All zero: none. */
struct name_wait {
	struct name_lookup *lookup; /* the one that it began, or waits for */
	bool waits;                 /* it waits for the look-up of another transfer */
	struct name_wait *next;
};

enum name_verdict {
	NAME_BEGUN, /* libcurl may look it up; or it is an address, which needs no look-up */
	NAME_WAITS, /* another transfer looks the name up; ready() will be called */
	NAME_FULL   /* too many look-ups are in progress */
};

/* ready() is called when a look-up that a transfer waited for is over; found is false if the name does not resolve.
 * NULL: no memory. */
struct name_lookups *name_lookups_new(int epoll_fd, void (*ready)(struct name_wait *, bool found));
void name_lookups_free(struct name_lookups *);

/* libcurl is about to look that host up for the transfer. */
enum name_verdict name_lookups_begin(struct name_lookups *, struct name_wait *, struct span host);
/* The transfer has an address now. The next name_lookups_notify() tells those that wait. May be called within
 * libcurl's callbacks. */
void name_lookups_found(struct name_lookups *, struct name_wait *);
/* Calls ready() for the transfers whose look-up is over. Not within a callback of libcurl, where no transfer may begin.
 */
void name_lookups_notify(struct name_lookups *);
/* libcurl stops watching fd, our end of the socket pair of the transfer's look-up. A duplicate of it is kept. */
void name_lookups_keep_end(struct name_wait *, int fd);
/* The transfer ends, or stops waiting. no_host: because the name does not resolve. Call it after the handle has left
 * the multi. */
void name_lookups_leave(struct name_lookups *, struct name_wait *, bool no_host);
/* True when fd belongs to an abandoned look-up, which has ended. */
bool name_lookups_event(struct name_lookups *, int fd);
/* Forgets look-ups that were abandoned long ago and cannot report their end. now_ms is monotonic. */
void name_lookups_sweep(struct name_lookups *, int64_t now_ms);

/* The host within a URL, or within the address of an upstream proxy, which may have credentials and no scheme. */
struct span name_lookups_host(const char *url);
/* True of an IPv4 or IPv6 address, which needs no look-up. */
bool name_lookups_is_address(struct span host);

#endif
