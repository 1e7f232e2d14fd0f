/*
 * min_rate: which connections are cut when threads are short. Each request at work holds a thread; when more than half
 * of them are busy, a connection where bytes are due must move at least --min-rate bytes a second, and the slowest are
 * cut first, only as many as it takes to come back to half. A stream where nothing is due (an event stream, a tunnel)
 * is cut only when every thread is busy, requests wait, and there is nothing else to cut.
 *
 * Pure: numbers in, verdicts out.
 */
#ifndef CURLEW_NET_MIN_RATE_H
#define CURLEW_NET_MIN_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request waits for, as bits. None of them: nothing that can be judged by its rate, such as an origin's head. */
enum min_rate_wait {
	MIN_RATE_BODY = 1,   /* the next bytes of the request body */
	MIN_RATE_READER = 2, /* the client, which has not taken all bytes sent to it */
	MIN_RATE_ORIGIN = 4, /* the rest of a response of known length */
	MIN_RATE_STREAM = 8  /* bytes that come when they come: a response of unknown length, a tunnel */
};

enum { MIN_RATE_WINDOW_MS = 5000 }; /* a rate is taken over at least so long */

/* One connection, as looked at in rounds. Zeros: not looked at yet. */
struct min_rate_meter {
	int64_t round;           /* the last look */
	int64_t since_ms, bytes; /* where the rate is counted from */
	bool stream;
};

enum { MIN_RATE_UNKNOWN = -1 };
/* A look at a connection: what it waits for, and the bytes that it has moved so far. Its rate in bytes a second, once
 * it has waited for bytes in every round for MIN_RATE_WINDOW_MS; until then MIN_RATE_UNKNOWN. A rate of least or more
 * starts the count again. */
int64_t min_rate_measure(
    struct min_rate_meter *, int64_t round, unsigned waits, int64_t bytes, int64_t now_ms, int64_t least);

struct min_rate_load {
	size_t busy;    /* requests at work */
	size_t most;    /* that can be */
	size_t waiting; /* for one of them to end */
};
struct min_rate_slow {
	int64_t rate; /* below --min-rate */
	bool stream;
};
bool min_rate_is_short(const struct min_rate_load *);
/* Sorts the slow ones and returns how many of them, from the first on, are to be cut. */
size_t min_rate_choose(const struct min_rate_load *, struct min_rate_slow *, size_t count);
/* The order of cutting: below 0 when a goes before b. */
int min_rate_compare(const struct min_rate_slow *a, const struct min_rate_slow *b);

#endif
