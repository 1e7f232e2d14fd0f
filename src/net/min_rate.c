/*
 * Why these rules. A slow client is not an enemy: while threads are free, it may take all the time it wants. Only when
 * they become scarce does a request have to earn its thread, by moving bytes. Half of the threads stay free for new
 * requests, so an attacker with many slow connections can hold at most the other half.
 *
 * A request that waits for an event stream or a tunnel moves nothing for a good reason, so its rate says nothing about
 * it. It is cut last. A request that waits for the origin's head is not measured at all: --origin-timeout bounds that
 * wait.
 */
#include "net/min_rate.h"

#include <stdlib.h>

int64_t min_rate_measure(
    struct min_rate_meter *m, int64_t round, unsigned waits, int64_t bytes, int64_t now_ms, int64_t least)
{
	/* A connection that waits for several things at once has bytes due, if one of them has. */
	bool stream = (waits & ~(unsigned)MIN_RATE_STREAM) == 0;
	bool goes_on = waits != 0 && m->round != 0 && m->round == round - 1 && m->stream == stream;
	m->round = waits != 0 ? round : 0;
	m->stream = stream;
	if (!goes_on) { /* it did not wait in the round before, or for another kind of bytes */
		m->since_ms = now_ms;
		m->bytes = bytes;
		return MIN_RATE_UNKNOWN;
	}
	int64_t took_ms = now_ms - m->since_ms;
	if (took_ms < MIN_RATE_WINDOW_MS)
		return MIN_RATE_UNKNOWN;
	int64_t rate = (bytes - m->bytes) * 1000 / took_ms;
	/* Fast enough: the next window begins here. Too slow: the window grows, so a connection that is still slow in
	 * the next round is measured over a longer time. */
	if (rate >= least) {
		m->since_ms = now_ms;
		m->bytes = bytes;
	}
	return rate;
}

bool min_rate_is_short(const struct min_rate_load *load)
{
	return load->busy > load->most / 2;
}

int min_rate_compare(const struct min_rate_slow *a, const struct min_rate_slow *b)
{
	if (a->stream != b->stream)
		return a->stream ? 1 : -1;
	return (a->rate > b->rate) - (a->rate < b->rate);
}

static int compare(const void *a, const void *b)
{
	return min_rate_compare(a, b);
}

size_t min_rate_choose(const struct min_rate_load *load, struct min_rate_slow *slow, size_t count)
{
	size_t due = 0; /* slow connections with bytes due; they are sorted before the streams */
	if (!min_rate_is_short(load))
		return 0;
	qsort(slow, count, sizeof *slow, compare);
	while (due < count && !slow[due].stream)
		due++;
	/* First those with bytes due, down to half of the threads. Streams only to make room for requests that wait. */
	size_t excess = load->busy - load->most / 2;
	if (due >= excess)
		return excess;
	if (load->busy < load->most || load->waiting <= due)
		return due;
	size_t streams = load->waiting - due;
	return streams < count - due ? due + streams : count;
}
