#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Reads a plain decimal number at the beginning; NULL: there is none. strtod() alone would also take hexadecimal
 * digits, exponents, nan and inf. */
static const char *read_decimal(const char *text, double *n)
{
	size_t whole = strspn(text, "0123456789"),
	       fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	if (whole + fraction == 0 || whole > 300 || fraction > 300)
		return NULL;
	size_t len = whole + (text[whole] == '.' ? 1 + fraction : 0);
	char digits[604];
	memcpy(digits, text, len);
	digits[len] = '\0';
	*n = strtod(digits, NULL);
	return text + len;
}

int units_bytes(const char *text, int64_t *out)
{
	static const char suffixes[] = "KMGT";
	double n;
	const char *end = read_decimal(text, &n);
	if (end == NULL)
		return -1;
	const char *s = *end == '\0' ? NULL : strchr(suffixes, toupper((unsigned char)*end));
	if (*end != '\0' && s == NULL)
		return -1;
	if (s != NULL) {
		for (const char *i = suffixes; i <= s; i++)
			n *= 1024;
		end++;
		if (strcmp(end, "iB") == 0)
			end += 2;
		else if (*end == 'B' || *end == 'b')
			end++;
	}
	if (*end != '\0' || n > 9e18)
		return -1;
	*out = (int64_t)n;
	return 0;
}

int units_seconds(const char *text, double *out)
{
	const char *end = read_decimal(text, out);
	if (end == NULL)
		return -1;
	if (strcmp(end, "s") == 0)
		end++;
	return *end == '\0' && *out <= 1e6 ? 0 : -1;
}

int units_share(const char *text, int64_t *bytes, double *percent)
{
	const char *end = read_decimal(text, percent);
	if (end != NULL && strcmp(end, "%") == 0 && *percent <= 100)
		return 0;
	*percent = 0;
	return units_bytes(text, bytes);
}

int units_span(const char *text, double *seconds)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {"y", 365 * 86400}};
	double n;
	const char *end = read_decimal(text, &n);
	if (end == NULL)
		return -1;
	if (n == 0 && *end == '\0') {
		*seconds = 0;
		return 0;
	}
	end += strspn(end, " ");
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(end, units[i].name) == 0) {
			*seconds = n * units[i].seconds;
			return *seconds < 1e12 ? 0 : -1;
		}
	return -1;
}

int units_count(const char *text, int64_t *n)
{
	char *end;
	errno = 0;
	*n = strtoll(text, &end, 10);
	return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 ? 0 : -1;
}

int units_rate(const char *text, int64_t *n, double *seconds)
{
	static const struct {
		const char *end;
		double seconds;
	} units[] = {{"", 1}, {"/s", 1}, {"/m", 60}, {"/h", 3600}};
	char *end;
	errno = 0;
	*n = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno != 0 || *n > 1000000)
		return -1;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(end, units[i].end) == 0) {
			*seconds = units[i].seconds;
			return 0;
		}
	return -1;
}

int units_flag(const char *text, bool *out)
{
	static const char *const yes[] = {"", "yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};
	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
		if (strcasecmp(text, yes[i]) == 0) {
			*out = true;
			return 0;
		}
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		if (strcasecmp(text, no[i]) == 0) {
			*out = false;
			return 0;
		}
	return -1;
}
