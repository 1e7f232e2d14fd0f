#include "verbs/progress.h"

#include <stdio.h>

enum { BAR_LEAST = 8, BAR_MOST = 40 };

char *progress_line(char *out, size_t size, int columns, int64_t received, int64_t expected, double seconds)
{
	static const char hashes[] = "########################################";
	char figures[128];
	double mib = (double)received / (1 << 20), whole = (double)expected / (1 << 20), rate = seconds > 0 ? mib / seconds : 0;
	int n, bar = 0, full = 0;
	if (expected > 0)
		n = snprintf(figures, sizeof figures, "%3.0f %%  %.1f of %.1f MiB  %.1f MiB/s", 100 * mib / whole, mib, whole, rate);
	else
		n = snprintf(figures, sizeof figures, "%.1f MiB  %.1f MiB/s", mib, rate);
	int room = columns - n - 1;
	if (expected > 0 && room >= BAR_LEAST)
		bar = room < BAR_MOST ? room : BAR_MOST;
	if (bar > 0)
		full = received < expected ? (int)(bar * mib / whole) : bar;
	snprintf(out, size, "%-*.*s%s%.*s", bar, full, hashes, bar > 0 ? " " : "", columns > 0 ? columns : 0, figures);
	return out;
}
