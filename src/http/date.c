/*
 * The three forms are read by position, because each has a fixed shape. A lenient parser accepts text that is not a
 * date (curl_getdate() takes "Thu, 18 Aug 50" and UTC). The RFCs allow two exceptions: a cache ignores the case of
 * letters (RFC 9111 4.2), and the day name is not compared with the date (it is redundant in RFC 9110 5.6.7, and
 * senders get it wrong).
 */
#include "http/date.h"

static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

struct civil {
	int year, month, day, hour, minute, second; /* month 1 to 12 */
};

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counted in 400-year eras that
 * begin in March, so that the leap day comes last. */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t n, int *year, int *month, int *day)
{
	n += 719468;
	int64_t era = (n >= 0 ? n : n - 146096) / 146097;
	int64_t day_of_era = n - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

/* Removes one byte from the front. */
static bool take(struct span *s, char c)
{
	if (s->len == 0 || s->at[0] != c)
		return false;
	*s = span_from(*s, 1);
	return true;
}

/* Three letters as one number, whatever their case. No other three bytes give the number of letters. */
static unsigned three(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	return (at[0] | 32u) << 16 | (at[1] | 32u) << 8 | (at[2] | 32u);
}

/* Removes " GMT" from the front. */
static bool take_zone(struct span *s)
{
	if (s->len < 4 || s->at[0] != ' ' || three(s->at + 1) != three("GMT"))
		return false;
	*s = span_from(*s, 4);
	return true;
}

/* Removes exactly n digits from the front. */
static bool take_digits(struct span *s, size_t n, int *value)
{
	if (s->len < n)
		return false;
	*value = 0;
	for (size_t i = 0; i < n; i++) {
		if (s->at[i] < '0' || s->at[i] > '9')
			return false;
		*value = *value * 10 + (s->at[i] - '0');
	}
	*s = span_from(*s, n);
	return true;
}

static bool take_month(struct span *s, int *month)
{
	if (s->len < 3)
		return false;
	for (*month = 1; *month <= 12; ++*month)
		if (three(s->at) == three(months[*month - 1])) {
			*s = span_from(*s, 3);
			return true;
		}
	return false;
}

/* A day name in full, or its first three letters. */
static bool take_day_name(struct span *s, bool full)
{
	for (size_t i = 0; s->len >= 3 && i < sizeof days / sizeof *days; i++) {
		if (three(s->at) != three(days[i]))
			continue;
		size_t n = full ? strlen(days[i]) : 3;
		if (s->len >= n && strncasecmp(s->at, days[i], n) == 0) {
			*s = span_from(*s, n);
			return true;
		}
	}
	return false;
}

static bool take_time(struct span *s, struct civil *c)
{
	return take_digits(s, 2, &c->hour) && take(s, ':') && take_digits(s, 2, &c->minute) && take(s, ':') &&
	       take_digits(s, 2, &c->second);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool read_imf(struct span s, struct civil *c)
{
	return take_day_name(&s, false) && take(&s, ',') && take(&s, ' ') && take_digits(&s, 2, &c->day) &&
	       take(&s, ' ') && take_month(&s, &c->month) && take(&s, ' ') && take_digits(&s, 4, &c->year) &&
	       take(&s, ' ') && take_time(&s, c) && take_zone(&s) && s.len == 0;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool read_rfc850(struct span s, struct civil *c)
{
	return take_day_name(&s, true) && take(&s, ',') && take(&s, ' ') && take_digits(&s, 2, &c->day) &&
	       take(&s, '-') && take_month(&s, &c->month) && take(&s, '-') && take_digits(&s, 2, &c->year) &&
	       take(&s, ' ') && take_time(&s, c) && take_zone(&s) && s.len == 0;
}

/* Sun Nov  6 08:49:37 1994 */
static bool read_asctime(struct span s, struct civil *c)
{
	if (!take_day_name(&s, false) || !take(&s, ' ') || !take_month(&s, &c->month) || !take(&s, ' '))
		return false;
	if (take(&s, ' ') ? !take_digits(&s, 1, &c->day) : !take_digits(&s, 2, &c->day))
		return false;
	return take(&s, ' ') && take_time(&s, c) && take(&s, ' ') && take_digits(&s, 4, &c->year) && s.len == 0;
}

static int64_t seconds(const struct civil *c)
{
	return days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
}

static bool is_real(const struct civil *c)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
	int length = lengths[c->month - 1] + (leap && c->month == 2 ? 1 : 0);
	/* A second of 60 is a leap second. */
	return c->day >= 1 && c->day <= length && c->hour < 24 && c->minute < 60 && c->second <= 60;
}

/* RFC 9110 5.6.7: a two-digit year that seems more than 50 years ahead is the last year in the past with
 * these digits. */
static void resolve_century(struct civil *c, int64_t now)
{
	int year, month, day;
	civil_from_days((now >= 0 ? now : now - 86399) / 86400, &year, &month, &day);
	c->year += year - year % 100;
	struct civil ahead = {year + 50, month, day, 23, 59, 59};
	if (seconds(c) > seconds(&ahead))
		c->year -= 100;
	else if (c->year < year - 50)
		c->year += 100;
}

bool date_parse(struct span text, int64_t now, int64_t *at)
{
	struct civil c;
	text = span_trim(text);
	if (text.len == 0)
		return false;
	if (!read_imf(text, &c) && !read_asctime(text, &c)) {
		if (!read_rfc850(text, &c))
			return false;
		resolve_century(&c, now);
	}
	if (!is_real(&c))
		return false;
	*at = seconds(&c);
	return true;
}

static char *put_digits(char *out, int value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return out + digits;
}

static char *put(char *out, const char *text, size_t n)
{
	memcpy(out, text, n);
	return out + n;
}

void date_format(int64_t at, char out[DATE_BYTES])
{
	const int64_t last = 253402300799;  /* the end of year 9999, beyond which there is no IMF-fixdate */
	const int64_t first = -62167219200; /* the start of year 0 */
	at = at > last ? last : at < first ? first : at;
	int64_t day_number = (at >= 0 ? at : at - 86399) / 86400;
	int second = (int)(at - day_number * 86400);
	int year, month, day;
	civil_from_days(day_number, &year, &month, &day);
	int weekday = (int)(((day_number + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	out = put(out, days[weekday], 3);
	out = put_digits(put(out, ", ", 2), day, 2);
	out = put(put(put(out, " ", 1), months[month - 1], 3), " ", 1);
	out = put_digits(out, year, 4);
	out = put_digits(put(out, " ", 1), second / 3600, 2);
	out = put_digits(put(out, ":", 1), second / 60 % 60, 2);
	out = put_digits(put(out, ":", 1), second % 60, 2);
	put(out, " GMT", 5);
}

bool date_find(const struct head *head, const char *name, int64_t now, int64_t *at)
{
	return date_parse(message_find(head, name), now, at);
}
