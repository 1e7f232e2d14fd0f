/*
 * name_lookups: look-ups of host names in progress, at most one a name and NAME_LOOKUPS_MAX in all. Knows nothing of
 * transfers but that each has a struct name_wait. The engine's thread only.
 */
#ifndef CURLEW_FETCH_NAME_LOOKUPS_H
#define CURLEW_FETCH_NAME_LOOKUPS_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { NAME_LOOKUPS_MAX = 64 };

struct name_lookups;
struct name_lookup;

/* A transfer's part in a look-up. All zero: none. */
struct name_wait {
	struct name_lookup *lookup; /* the one it began or waits for */
	bool waits;                 /* for that of another transfer */
	struct name_wait *next;
};

enum name_verdict {
	NAME_BEGUN, /* look it up; or it is an address, which takes no look-up */
	NAME_WAITS, /* another transfer's look-up is in progress: ready() will be called */
	NAME_FULL   /* too many are in progress */
};

/* ready: the look-up that a waiting transfer waited for is over; found is false where the name does not resolve. NULL:
 * no memory. */
struct name_lookups *name_lookups_new(int epoll_fd, void (*ready)(struct name_wait *, bool found));
void name_lookups_free(struct name_lookups *);

/* A look-up of that host is about to begin. */
enum name_verdict name_lookups_begin(struct name_lookups *, struct name_wait *, struct span host);
/* The transfer has an address. Those who wait hear of it at the next name_lookups_notify(). May be called within
 * libcurl's callbacks. */
void name_lookups_found(struct name_lookups *, struct name_wait *);
/* After libcurl's callbacks, in which no transfer may be begun. */
void name_lookups_notify(struct name_lookups *);
/* libcurl stops watching fd, our end of the socket pair of the transfer's look-up. */
void name_lookups_keep_end(struct name_wait *, int fd);
/* The transfer ends or gives up waiting. no_host: because the name does not resolve. Call after its handle has left the
 * multi. */
void name_lookups_leave(struct name_lookups *, struct name_wait *, bool no_host);
/* True when fd tells that an abandoned look-up has ended. */
bool name_lookups_event(struct name_lookups *, int fd);
/* Forgets look-ups that were abandoned long ago. now_ms is monotonic. */
void name_lookups_sweep(struct name_lookups *, int64_t now_ms);

/* The host within a URL, or within the address of an upstream proxy, which may have credentials and no scheme. */
struct span name_lookups_host(const char *url);

#endif
