/*
 * min_rate: which connections are cut when there are too few threads.
 *
 * Every request that is being served holds a thread. When more than half of the threads are busy, a connection with
 * bytes due must move at least --min-rate bytes a second. The slowest are cut first, and only as many as it takes to
 * return to half. A stream without bytes due (an event stream, a tunnel) is cut only if every thread is busy, requests
 * wait, and nothing else can be cut.
 *
 * Pure: numbers in, decisions out.
 */
#ifndef CURLEW_NET_MIN_RATE_H
#define CURLEW_NET_MIN_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request waits for, as bits. 0: nothing that has a rate, such as the response head of the origin. */
enum min_rate_wait {
	MIN_RATE_BODY = 1,   /* the next bytes of the request body */
	MIN_RATE_CLIENT = 2, /* the client, which has not received all bytes sent to it */
	MIN_RATE_ORIGIN = 4, /* the rest of a response of known length */
	MIN_RATE_STREAM = 8  /* bytes that are not due at any time: a response of unknown length, a tunnel */
};

enum { MIN_RATE_WINDOW_MS = 5000 }; /* the shortest time over which a rate is measured */

/* The measurement of one connection, in rounds. Zeros: not measured yet. */
struct min_rate_meter {
	int64_t round;           /* the last round in which it waited; 0: it did not wait in the last one */
	int64_t since_ms, bytes; /* when the measurement began, and how many bytes had moved by then */
	bool stream;
};

enum { MIN_RATE_UNKNOWN = -1 };
/* One round for one connection. waits: what it waits for; bytes: how many have moved since it was opened. Returns the
 * rate in bytes a second if it has waited in every round for MIN_RATE_WINDOW_MS, else MIN_RATE_UNKNOWN. A rate of
 * `least` or more starts the measurement again, so that a connection cannot live on what it moved long ago. */
int64_t min_rate_measure(
    struct min_rate_meter *, int64_t round, unsigned waits, int64_t bytes, int64_t now_ms, int64_t least);

struct min_rate_load {
	size_t busy;    /* requests being served, each by a thread */
	size_t most;    /* how many can be served at a time */
	size_t waiting; /* requests that wait for a thread */
};
struct min_rate_slow {
	int64_t rate; /* below --min-rate */
	bool stream;
};
/* True when more than half of the threads are busy. */
bool min_rate_is_short(const struct min_rate_load *);
/* Sorts the slow connections and returns how many of them are to be cut, beginning with the first. */
size_t min_rate_choose(const struct min_rate_load *, struct min_rate_slow *, size_t count);
/* The order of cutting: below 0 when a goes before b. */
int min_rate_compare(const struct min_rate_slow *a, const struct min_rate_slow *b);

#endif
