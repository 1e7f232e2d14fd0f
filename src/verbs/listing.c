#include "verbs/listing.h"

#include "base/printable.h"
#include "index/column.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum listing_style listing_style_for(bool json)
{
	return json ? LISTING_JSON : isatty(STDOUT_FILENO) ? LISTING_PEOPLE : LISTING_PLAIN;
}

/* --- values for people --- */

static void add_bytes(struct buf *out, int64_t n)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	if (n < 1024) {
		buf_addf(out, "%" PRId64 " B", n);
		return;
	}
	double x = (double)n / 1024;
	size_t unit = 0;
	for (; x >= 1023.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		x /= 1024;
	buf_addf(out, "%.1f %s", x, units[unit]);
}

static void add_span(struct buf *out, int64_t s)
{
	static const struct {
		int64_t below, unit;
		const char *name;
	} scale[] = {{120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {63072000, 86400, "days"},
	    {INT64_MAX, 31536000, "years"}};
	if (s < 0) {
		buf_addc(out, '-');
		s = s == INT64_MIN ? INT64_MAX : -s;
	}
	size_t i = 0;
	while (i + 1 < sizeof scale / sizeof scale[0] && s >= scale[i].below)
		i++;
	buf_addf(out, "%" PRId64 " %s", s / scale[i].unit, scale[i].name);
}

static void add_time(struct buf *out, int64_t at)
{
	char text[64];
	struct tm tm;
	time_t t = (time_t)at;
	if (localtime_r(&t, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) > 0)
		buf_adds(out, text);
	else
		buf_addf(out, "%" PRId64, at);
}

void listing_format(struct buf *out, enum listing_kind kind, const char *text)
{
	if (text == NULL) {
		buf_adds(out, "-");
		return;
	}
	int64_t n = strtoll(text, NULL, 10);
	switch (kind) {
	case LISTING_BYTES:
		add_bytes(out, n);
		break;
	case LISTING_SPAN:
		add_span(out, n);
		break;
	case LISTING_TIME:
		add_time(out, n);
		break;
	case LISTING_FLAG:
		buf_adds(out, n != 0 ? "yes" : "no");
		break;
	case LISTING_TEXT:
	case LISTING_NUMBER:
	case LISTING_STATE:
	case LISTING_TITLE:
		buf_adds(out, text);
		break;
	}
}

void listing_clean(FILE *out, const char *text, size_t n)
{
	for (size_t i = 0, bytes; i < n; i += bytes) {
		unsigned char c = (unsigned char)text[i];
		bytes = printable_bytes(span_make(text + i, n - i));
		if (bytes > 0) {
			fwrite(text + i, 1, bytes, out);
			continue;
		}
		putc(c == '\t' || c == '\n' ? ' ' : '?', out);
		bool c1 = c == 0xc2 && i + 1 < n && ((unsigned char)text[i + 1] & 0xe0) == 0x80;
		bytes = c1 ? 2 : 1;
	}
}

/* As an SGR sequence (ECMA-48 8.3.117); "" where none is wanted. */
static const char *colour_of(enum listing_kind kind, const char *text)
{
	const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
	if ((no_color != NULL && no_color[0] != '\0') || terminal == NULL || strcmp(terminal, "dumb") == 0)
		return "";
	if (kind == LISTING_TITLE)
		return "\033[1m";
	if (kind != LISTING_STATE)
		return "";
	return strcmp(text, "fresh") == 0 ? "\033[32m" : strcmp(text, "stale") == 0 ? "\033[31m" : "\033[33m";
}

void listing_put(FILE *out, enum listing_kind kind, const char *text)
{
	const char *colour = colour_of(kind, text);
	fputs(colour, out);
	listing_clean(out, text, strlen(text));
	if (colour[0] != '\0')
		fputs("\033[m", out);
}

void listing_put_name(FILE *out, const char *name, int width)
{
	int n = (int)strlen(name);
	listing_put(out, LISTING_TITLE, name);
	fprintf(out, "%*s", n < width ? width - n : 1, "");
}

/* --- JSON --- */

/* Bytes of the UTF-8 character at p (RFC 3629); 0 when it is none. */
static size_t utf8_length(const unsigned char *p)
{
	size_t n = p[0] < 0x80                   ? 1
		   : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		   : (p[0] & 0xf0) == 0xe0       ? 3
		   : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
						 : 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void json_text(FILE *out, const char *text)
{
	putc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
		size_t n = utf8_length(p);
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p == '\n')
			fputs("\\n", out);
		else if (*p == '\t')
			fputs("\\t", out);
		else if (*p < 0x20 || *p == 0x7f || n == 0) /* not UTF-8: read as Latin-1 */
			fprintf(out, "\\u%04x", *p);
		else
			fwrite(p, 1, n, out);
		p += n == 0 ? 1 : n;
	}
	putc('"', out);
}

void listing_json(FILE *out, const struct index_column *c)
{
	/* JSON has no Inf and -Inf. */
	bool infinite = c->text != NULL && c->is_number && c->text[strcspn(c->text, "0123456789")] == '\0';
	if (c->text == NULL || infinite)
		fputs("null", out);
	else if (c->is_number)
		fputs(c->text, out);
	else
		json_text(out, c->text);
}

void listing_json_object(FILE *out, const struct index_column *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fputs(i == 0 ? "{" : ", ", out);
		json_text(out, columns[i].name);
		fputs(": ", out);
		listing_json(out, &columns[i]);
	}
	putc('}', out);
}

/* --- rows --- */

void listing_begin(
    struct listing *t, FILE *out, enum listing_style style, const struct listing_column *columns, size_t column_count)
{
	*t = (struct listing){.out = out, .style = style, .columns = columns, .column_count = column_count};
	if (style == LISTING_JSON)
		putc('[', out);
}

static bool to_the_right(enum listing_kind kind)
{
	return kind == LISTING_NUMBER || kind == LISTING_BYTES || kind == LISTING_SPAN;
}

/* Characters, as far as each takes one column. */
static int width_of(const char *text)
{
	int n = 0;
	for (; *text != '\0'; text++)
		n += (*text & 0xc0) != 0x80 ? 1 : 0;
	return n;
}

static void put_padded(struct listing *t, size_t i, enum listing_kind kind, const char *text)
{
	bool last = i + 1 == t->column_count;
	int n = width_of(text), width = last ? 0 : t->columns[i].width;
	bool right = to_the_right(t->columns[i].kind);
	if (right && n < width)
		fprintf(t->out, "%*s", width - n, "");
	listing_put(t->out, kind, text);
	if (!right && n < width)
		fprintf(t->out, "%*s", width - n, "");
	fputs(last ? "\n" : "  ", t->out);
}

static void people_row(struct listing *t, const struct index_column *columns, size_t count)
{
	if (t->rows == 0)
		for (size_t i = 0; i < count; i++)
			put_padded(t, i, LISTING_TITLE, t->columns[i].title);
	for (size_t i = 0; i < count; i++) {
		struct buf text;
		buf_init(&text, BUF_PAGE);
		listing_format(&text, t->columns[i].kind, columns[i].text);
		put_padded(t, i, t->columns[i].kind, buf_str(&text));
		buf_fini(&text);
	}
}

int listing_row(void *table, const struct index_column *columns, size_t count)
{
	struct listing *t = table;
	if (count > t->column_count)
		count = t->column_count;
	switch (t->style) {
	case LISTING_JSON:
		fputs(t->rows > 0 ? ",\n " : "", t->out);
		listing_json_object(t->out, columns, count);
		break;
	case LISTING_PEOPLE:
		people_row(t, columns, count);
		break;
	case LISTING_PLAIN:
		for (size_t i = 0; i < count; i++) {
			if (columns[i].text != NULL)
				listing_clean(t->out, columns[i].text, strlen(columns[i].text));
			putc(i + 1 < count ? '\t' : '\n', t->out);
		}
		break;
	}
	t->rows++;
	return 0;
}

long listing_end(struct listing *t)
{
	if (t->style == LISTING_JSON)
		fputs("]\n", t->out);
	return t->rows;
}
