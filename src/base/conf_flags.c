/*
 * The command line is read twice. The first pass only looks for --config and --help, because a file is read before the
 * options that override it, and because --help must work whatever else is wrong.
 */
#include "base/conf_flags.h"

#include "base/cidr.h"
#include "base/log.h"

#include <getopt.h>
#include <stdio.h>

/* The one option whose value may be left out. */
static bool may_stand_alone(const struct conf_row *row)
{
	return strcmp(row->name, "targets") == 0;
}

/* Its value: the next word, unless that looks like a host, a path or an option. */
static const char *value_or_standard(int argc, char **argv)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	const char *next = optind < argc ? argv[optind] : "";
	if (next[0] == '\0' || next[0] == '-' || next[strspn(next, letters)] != '\0')
		return "CDN-Cache-Control";
	optind++;
	return next;
}

/* The next word, if it is a network: an option may have several, --allow-from 10.0.0.0/8 fd00::/8. NULL: it is not. */
static const char *next_network(int argc, char **argv)
{
	struct cidr net;
	struct buf why;
	if (optind >= argc)
		return NULL;
	buf_init(&why, BUF_LINE);
	bool is = cidr_parse(span_of(argv[optind]), &net, &why) != CIDR_UNREADABLE;
	buf_fini(&why);
	return is ? argv[optind++] : NULL;
}

static void make_getopt(const struct conf *c, struct option *longs, char *shorts)
{
	size_t n = 0, s = 0;
	shorts[s++] = ':';
	for (size_t i = 0; i < conf_table_rows; i++) {
		if (!(conf_table[i].verbs & (int)c->verb->verb))
			continue;
		int has = may_stand_alone(&conf_table[i])  ? optional_argument
			  : conf_table[i].argument != NULL ? required_argument
							   : no_argument;
		longs[n++] = (struct option){conf_table[i].name, has, NULL, 256 + (int)i};
		if (conf_table[i].letter != 0) {
			shorts[s++] = conf_table[i].letter;
			if (has == required_argument)
				shorts[s++] = ':';
		}
	}
	longs[n++] = (struct option){"help", no_argument, NULL, 'h'};
	longs[n] = (struct option){0};
	shorts[s++] = 'h';
	shorts[s] = '\0';
}

static size_t row_of(int code)
{
	if (code >= 256)
		return (size_t)code - 256;
	for (size_t i = 0; i < conf_table_rows; i++)
		if (conf_table[i].letter == (char)code)
			return i;
	return conf_table_rows;
}

/* The number of options that begin with those n bytes. */
static int count_of(const struct option *longs, const char *word, size_t n)
{
	int count = 0;
	for (; longs->name != NULL; longs++)
		count += strncmp(longs->name, word, n) == 0 ? 1 : 0;
	return count;
}

/* code: '?', or ':' when a value is missing. which: optopt, the option in error: a letter (perhaps one of several in a
 * word), or the number of a long option; 0: `last`, the word just read, names no option or several. */
static void report_mistake(const struct conf *c, int code, int which, const char *last, const struct option *longs)
{
	char called[128];
	const char *why = code == ':' ? "needs a value" : which >= 256 ? "takes no value" : "no such option";
	if (which >= 256)
		snprintf(called, sizeof called, "--%s", conf_table[which - 256].name);
	else if (which > ' ' && which < 127)
		snprintf(called, sizeof called, "-%c", which);
	else if (which == 0)
		snprintf(called, sizeof called, "%.*s", (int)strcspn(last, "="), last);
	else
		snprintf(called, sizeof called, "an option that is not ASCII");
	if (which == 0 && count_of(longs, called + 2, strlen(called + 2)) > 1)
		why = "abbreviates several options";
	log_say("%s: %s: %s (see `curlew %s --help`)", c->verb->name, called, why, c->verb->name);
}

enum conf_flags_result conf_flags_read(struct conf *c, int argc, char **argv, bool apply, const char **config)
{
	struct option longs[conf_table_rows + 2];
	char shorts[2 * conf_table_rows + 3];
	make_getopt(c, longs, shorts);
	optind = 0; /* GNU: start again */
	opterr = 0;
	for (;;) {
		int code = getopt_long(argc, argv, shorts, longs, NULL);
		if (code == -1)
			break;
		if (code == 'h')
			return CONF_FLAGS_HELP;
		if (code == '?' || code == ':') {
			report_mistake(c, code, optopt, argv[optind - 1], longs);
			return CONF_FLAGS_WRONG;
		}
		size_t i = row_of(code);
		char called[64];
		const char *value = optarg != NULL                    ? optarg
				    : may_stand_alone(&conf_table[i]) ? value_or_standard(argc, argv)
								      : "";
		snprintf(called, sizeof called, "--%s", conf_table[i].name);
		if (strcmp(conf_table[i].name, "config") == 0 || strcmp(conf_table[i].name, "check") == 0)
			*config = optarg;
		do {
			if (apply && conf_values_set(c, i, value, "flag", called) != 0)
				return CONF_FLAGS_WRONG;
		} while (conf_table[i].type == CIDRS && (value = next_network(argc, argv)) != NULL);
	}
	c->operands = argv + optind;
	c->operand_count = (size_t)(argc - optind);
	return CONF_FLAGS_READ;
}
