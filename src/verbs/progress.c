#include "verbs/progress.h"

#include "verbs/listing.h"

#include <inttypes.h>
#include <stdio.h>

enum { BAR_LEAST = 8, BAR_MOST = 40 };

static void write_bytes(char out[24], int64_t bytes)
{
	char number[24];
	struct buf text;
	buf_init(&text, BUF_LINE);
	snprintf(number, sizeof number, "%" PRId64, bytes);
	listing_format(&text, LISTING_BYTES, number);
	snprintf(out, 24, "%s", buf_str(&text));
	buf_fini(&text);
}

char *progress_line(char *out, size_t size, int columns, int64_t received, int64_t expected, double seconds)
{
	static const char hashes[] = "########################################";
	char figures[128], have[24], all[24], rate[24];
	double share = expected > 0 ? (double)received / (double)expected : 0;
	int n, bar = 0, full = 0;
	write_bytes(have, received);
	write_bytes(all, expected);
	write_bytes(rate, seconds > 0 && (double)received / seconds < 9e18 ? (int64_t)((double)received / seconds) : 0);
	if (expected > 0)
		n = snprintf(figures, sizeof figures, "%3.0f %%  %s of %s  %s/s", 100 * share, have, all, rate);
	else
		n = snprintf(figures, sizeof figures, "%s  %s/s", have, rate);
	int room = columns - n - 1;
	if (expected > 0 && room >= BAR_LEAST)
		bar = room < BAR_MOST ? room : BAR_MOST;
	if (bar > 0)
		full = received < expected ? (int)(bar * share) : bar;
	snprintf(out, size, "%-*.*s%s%.*s", bar, full, hashes, bar > 0 ? " " : "", columns > 0 ? columns : 0, figures);
	return out;
}
