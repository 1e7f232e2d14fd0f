/*
 * conf_values: the values of a conf, one for each row of conf_table. Only the files of conf include this header.
 *
 * A conf is filled by one thread, which starts the others later. Afterwards it is constant.
 */
#ifndef CURLEW_BASE_CONF_VALUES_H
#define CURLEW_BASE_CONF_VALUES_H

#include "base/cidr.h"
#include "base/conf_table.h"

#include <stdbool.h>
#include <stdint.h>

/* Which of the last four members has the value depends on the type of the row. */
struct conf_value {
	char **texts;  /* as given; all of them for a LIST or CIDRS, one for the other types. Owned */
	char **called; /* for each text, what errors call its option: "--size", "FILE:3: size". Owned */
	size_t count;
	const char *source; /* a literal, or conf->file_source; NULL: unset */
	int64_t bytes;
	double seconds;
	bool flag;
	struct cidr_list cidrs; /* owned */
};

struct conf {
	const struct conf_verb_row *verb;
	struct conf_value values[CONF_TABLE_MOST];
	char *file_source; /* the path of the configuration file; NULL: none was read */
	char *cache_dir;
	char **operands; /* those of argv */
	size_t operand_count;
	int argc; /* the command line, which outlives the conf */
	char **argv;
};

/* Gives row i a value from `source`, which overrides values from other sources. `called` is the name that errors give
 * the option ("--size", "CURLEW_SIZE", "file:3: size"). 0, or -1 when the value is wrong (reported). */
int conf_values_set(struct conf *, size_t i, const char *text, const char *source, const char *called);
/* Gives row i the value that it has in another conf. 0, or -1: out of memory (reported). */
int conf_values_copy(struct conf *, size_t i, const struct conf *from);
/* True when both have the same texts in row i. */
bool conf_values_same(const struct conf *, const struct conf *, size_t i);
void conf_values_free(struct conf *);

#endif
