/*
 * conf_table: the table of options and the table of verbs. A row of the first is an option: its name, type, default and
 * help, and the verbs that take it. Constant data. Any thread may read it.
 */
#ifndef CURLEW_BASE_CONF_TABLE_H
#define CURLEW_BASE_CONF_TABLE_H

#include "base/conf.h"

#include <stddef.h>

enum conf_type {
	TEXT,
	ONCE, /* a text. Two different ones from one source are an error: neither can be ignored silently */
	LIST,
	FLAG,
	BYTES,
	SECONDS,
	COUNT,
	SHARE, /* of the disk: 5% or 2G */
	SPAN,  /* a time with a unit: 30d */
	RATE,  /* a number of things in a time: 10/s */
	CIDRS  /* networks of addresses, repeatable */
};

enum { CONF_RELOADS = 1 << 30 };

struct conf_row {
	const char *name;
	char letter; /* 0: none */
	enum conf_type type;
	int verbs;            /* enum conf_verb, ORed; and CONF_RELOADS: SIGHUP can change it */
	const char *argument; /* what the help calls the value; NULL for flags */
	const char *standard; /* default; NULL: unset */
	const char *help;
};

struct conf_verb_row {
	enum conf_verb verb;
	const char *name, *operands, *about, *examples;
};

enum { CONF_TABLE_MOST = 96 }; /* rows; the size of an array with a value for each */

extern const struct conf_row conf_table[];
extern const size_t conf_table_rows;
/* The row of that name; conf_table_rows: none. */
size_t conf_table_find(const char *name);

const struct conf_verb_row *conf_table_verb(enum conf_verb);

#endif
