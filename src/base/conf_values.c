/*
 * A value is kept as the text it was given as, with its source. It is checked by its type at once, so that an error
 * names the option as the user wrote it.
 */
#include "base/conf_values.h"

#include "base/log.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void value_clear(struct conf_value *v)
{
	for (size_t i = 0; i < v->count; i++) {
		free(v->texts[i]);
		free(v->called[i]);
	}
	free(v->texts);
	free(v->called);
	cidr_list_fini(&v->cidrs);
	memset(v, 0, sizeof *v);
}

static bool is_port_list(const char *text)
{
	if (strcmp(text, "none") == 0)
		return true;
	for (;;) {
		char *end;
		text += strspn(text, " ");
		long port = strtol(text, &end, 10);
		if (*text < '0' || *text > '9' || port < 1 || port > 65535 || (*end != ',' && *end != '\0'))
			return false;
		if (*end == '\0')
			return true;
		text = end + 1;
	}
}

/* The schemes that libcurl supports. "" means no proxy, as with curl. */
static bool is_proxy(const char *text)
{
	static const char *const schemes[] = {
	    "http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"};
	bool known = strstr(text, "://") == NULL;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		known = known ||
			(strncasecmp(text, schemes[i], strlen(schemes[i])) == 0 && text[strlen(schemes[i])] != '\0');
	for (const char *c = text; *c != '\0'; c++)
		known = known && (unsigned char)*c > ' ';
	return known;
}

/* A name or address without a port: a colon may only stand in brackets. */
static bool is_host(const char *text)
{
	return text[strcspn(text, text[0] == '[' ? " /?#@" : " /?#@:")] == '\0';
}

/* Reads text into v. NULL, or when it is malformed, the form of a correct value in words. */
static const char *read_value(const struct conf_row *row, const char *text, struct conf_value *v)
{
	switch (row->type) {
	case BYTES:
		return units_bytes(text, &v->bytes) != 0 ? "a number of bytes, with or without K, M, G or T: 512M"
							 : NULL;
	case SECONDS:
		if (units_seconds(text, &v->seconds) != 0)
			return "seconds: 10 or 2.5";
		return v->seconds <= 0 && strstr(row->name, "-timeout") != NULL ? "more than 0 seconds: 10 or 2.5"
										: NULL;
	case COUNT:
		if (units_count(text, &v->bytes) != 0)
			return "a number: 100000";
		return strcmp(row->name, "threads") == 0 && (v->bytes < 1 || v->bytes > 65536)
			   ? "a number from 1 to 65536"
			   : NULL;
	case SHARE:
		return units_share(text, &v->bytes, &v->seconds) != 0
			   ? "a share of the disk (5%) or a number of bytes (2G)"
			   : NULL;
	case SPAN:
		return units_span(text, &v->seconds) != 0 ? "a time: 90s, 45m, 12h, 30d, 2w or 1y" : NULL;
	case RATE:
		return units_rate(text, &v->bytes, &v->seconds) != 0
			   ? "a number for each second, minute or hour: 10/s, 600/m"
			   : NULL;
	case FLAG:
		return units_flag(text, &v->flag) != 0 ? "yes or no" : NULL;
	case TEXT:
	case ONCE:
	case LIST:
	case CIDRS:
		break;
	}
	if (strcmp(row->name, "default-scheme") == 0)
		return strcmp(text, "http") != 0 && strcmp(text, "https") != 0 ? "http or https" : NULL;
	if (strcmp(row->name, "prefix-sandbox") == 0 || strcmp(row->name, "forwarded") == 0)
		return strcmp(text, "on") != 0 && strcmp(text, "off") != 0 ? "on or off" : NULL;
	if (strcmp(row->name, "connect-ports") == 0)
		return !is_port_list(text) ? "ports separated by commas, or none" : NULL;
	if (strcmp(row->name, "proxy") == 0)
		return !is_proxy(text) ? "[http|https|socks4|socks4a|socks5|socks5h://]HOST:PORT" : NULL;
	if (strcmp(row->name, "host") == 0 && !is_host(text))
		return "a host without a port";
	return text[0] == '\0' ? row->argument : NULL;
}

/* Networks have errors of their own, which name what to write instead. 0, or -1 (reported). */
static int add_cidrs(struct conf_value *v, const char *text, const char *called)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = cidr_list_add(&v->cidrs, span_of(text), &why);
	if (rc != 0)
		log_say("%s: %s", called, buf_str(&why));
	buf_fini(&why);
	return rc;
}

static int add_text(struct conf_value *v, const char *text, const char *called)
{
	char **texts = realloc(v->texts, (v->count + 1) * sizeof *texts);
	if (texts != NULL)
		v->texts = texts;
	char **names = realloc(v->called, (v->count + 1) * sizeof *names);
	if (names != NULL)
		v->called = names;
	char *copy = strdup(text), *name = strdup(called);
	if (texts == NULL || names == NULL || copy == NULL || name == NULL) {
		free(copy);
		free(name);
		return -1;
	}
	texts[v->count] = copy;
	names[v->count++] = name;
	return 0;
}

int conf_values_set(struct conf *c, size_t i, const char *text, const char *source, const char *called)
{
	const struct conf_row *row = &conf_table[i];
	struct conf_value *v = &c->values[i];
	struct conf_value fresh = {.source = source};
	const char *form = read_value(row, text, &fresh);
	if (form != NULL) {
		log_say("%s: '%s' is not understood (give %s)", called, text, form);
		return -1;
	}
	if (row->type == ONCE && v->source == source && strcmp(v->texts[0], text) != 0) {
		log_say("%s: given twice, '%s' and '%s' (give one)", called, v->texts[0], text);
		return -1;
	}
	/* The values of a list from one source add up. Another source replaces the whole list. */
	bool adds = row->type == LIST || row->type == CIDRS;
	if (!adds || v->source != source)
		value_clear(v);
	if (row->type == CIDRS && add_cidrs(v, text, called) != 0)
		return -1;
	if (add_text(v, text, called) != 0) {
		log_say("%s: out of memory", called);
		return -1;
	}
	v->source = fresh.source;
	v->bytes = fresh.bytes;
	v->seconds = fresh.seconds;
	v->flag = fresh.flag;
	return 0;
}

int conf_values_copy(struct conf *c, size_t i, const struct conf *from)
{
	const struct conf_value *v = &from->values[i];
	value_clear(&c->values[i]);
	for (size_t k = 0; k < v->count; k++)
		if (conf_values_set(c, i, v->texts[k], "start", v->called[k]) != 0)
			return -1;
	return 0;
}

bool conf_values_same(const struct conf *a, const struct conf *b, size_t i)
{
	const struct conf_value *v = &a->values[i], *w = &b->values[i];
	bool same = v->count == w->count;
	for (size_t k = 0; same && k < v->count; k++)
		same = strcmp(v->texts[k], w->texts[k]) == 0;
	return same;
}

void conf_values_free(struct conf *c)
{
	for (size_t i = 0; i < conf_table_rows; i++)
		value_clear(&c->values[i]);
}
