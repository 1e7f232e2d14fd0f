/* What the files of conf share: the table of options, and the values as they are read. */
#ifndef CURLEW_BASE_CONF_INTERNAL_H
#define CURLEW_BASE_CONF_INTERNAL_H

#include "base/conf.h"

#include <stdbool.h>

enum conf_type {
	TEXT,
	ONCE, /* a text of which a second, different one is a mistake: nobody means the first to be forgotten */
	LIST,
	FLAG,
	BYTES,
	SECONDS,
	COUNT,
	SHARE,
	SPAN
};

struct conf_row {
	const char *name;
	char letter; /* 0: none */
	enum conf_type type;
	int verbs;
	const char *argument; /* how the help calls the value; NULL for flags */
	const char *standard; /* default, NULL: unset */
	const char *help;
};

struct conf_verb_row {
	enum conf_verb verb;
	const char *name, *operands, *about, *examples;
};

extern const struct conf_row conf_table[];
extern const size_t conf_rows;
enum { CONF_MOST = 96 }; /* of rows */

struct conf_value {
	char **texts;
	size_t count;
	const char *source; /* a literal, or conf->file_source; NULL: unset */
	int64_t bytes;
	double seconds;
	bool flag;
};

struct conf {
	const struct conf_verb_row *verb;
	struct conf_value values[CONF_MOST];
	char *file_source;
	char *cache_dir;
	char **operands; /* argv's */
	size_t operand_count;
};

/* Gives row i a value from source; `called` is the name to blame ("--size", "CURLEW_SIZE", "file:3: size"). 0, or -1
 * after having said why. */
int conf_set(struct conf *, size_t i, const char *text, const char *source, const char *called);
/* The row of that name; conf_rows: none. */
size_t conf_find(const char *name);

/* --- the sources (conf_sources.c): each returns 0, or -1 after having said why --- */

int conf_read_environment(struct conf *);
/* The file named by --config (NULL: not given) or $CURLEW_CONFIG, else the user's own, else the system's, whichever is
 * there first. */
int conf_read_files(struct conf *, const char *named);

/* --- the command line (conf_flags.c) --- */

enum conf_parsed { PARSED, HELP_WANTED, MISTAKE };

/* One pass over the command line. apply: false only looks for --config and --help. */
enum conf_parsed conf_read_flags(struct conf *, int argc, char **argv, bool apply, const char **config);

#endif
