/*
 * conf: every option of every verb. One row of conf_table makes the parser, the default, the environment variable, the
 * line of the configuration file and the help.
 *
 * Precedence: command line, CURLEW_* variable, configuration file, default. A conf is filled by one thread. Any thread
 * may read it afterwards.
 */
#ifndef CURLEW_BASE_CONF_H
#define CURLEW_BASE_CONF_H

#include "base/buf.h"

#include <stdint.h>

struct conf;
struct cidr_list;

/* The verbs an option belongs to. */
enum conf_verb {
	CONF_SERVE = 1 << 0,
	CONF_GET = 1 << 1,
	CONF_LS = 1 << 2,
	CONF_SHOW = 1 << 3,
	CONF_STATS = 1 << 4,
	CONF_CONFIG = 1 << 5,
	CONF_CAT = 1 << 6,
	CONF_PURGE = 1 << 7,
	CONF_PIN = 1 << 8,
	CONF_UNPIN = 1 << 9,
	CONF_RULE = 1 << 10,
	CONF_EXPLAIN = 1 << 11,
	CONF_GC = 1 << 12,
	CONF_VERIFY = 1 << 13,
	CONF_SQL = 1 << 14,
	CONF_BACKUP = 1 << 15,
	CONF_RESTORE = 1 << 16,
	CONF_REKEY = 1 << 17
};

/* Reads argv[1..] for that verb (argv[0] is the verb's name), the environment and the configuration file. NULL: the
 * process should exit with *status, which is 0 after --help (printed), or 2 after an error (reported on stderr). */
struct conf *conf_parse(enum conf_verb, int argc, char **argv, int *status);
/* Reads all sources of that conf again. NULL: there is an error, which was reported. The main thread. */
struct conf *conf_parse_again(const struct conf *);
void conf_free(struct conf *);
/* True when the conf was read for that verb. */
bool conf_is(const struct conf *, enum conf_verb);

/* Values by option name ("cache", "listen"). A name or type that the table does not have is a bug (asserted). Texts
 * belong to the conf; NULL when unset. */
const char *conf_text(const struct conf *, const char *name);
int64_t conf_number(const struct conf *, const char *name); /* bytes, counts; 0 for a share given in percent */
double conf_percent(const struct conf *, const char *name); /* of a share; 0 when it is given in bytes */
double conf_span(const struct conf *, const char *name);    /* a time of days or hours, in seconds */
double conf_seconds(const struct conf *, const char *name);
int64_t conf_rate(const struct conf *, const char *name, double *seconds); /* so many in so many seconds; 0: unset */
bool conf_flag(const struct conf *, const char *name);
/* True when it has a value from any source, the default included. */
bool conf_given(const struct conf *, const char *name);
/* True when it has a value that is not the default. */
bool conf_is_set(const struct conf *, const char *name);
/* Repeatable options: the i-th value; NULL after the last. */
const char *conf_item(const struct conf *, const char *name, size_t i);
/* Networks; an empty list when unset, or when the value is "none". */
const struct cidr_list *conf_cidrs(const struct conf *, const char *name);
/* What an error should call the i-th value of an option: where it was given, and its name. "--listen", or
 * "/etc/curlew.conf:3: listen". */
const char *conf_called(const struct conf *, const char *name, size_t i);
/* The words of the command line that are not options. */
size_t conf_operands(const struct conf *);
const char *conf_operand(const struct conf *, size_t i);

/* The cache directory: --cache, $CURLEW_CACHE, $XDG_CACHE_HOME/curlew, ~/.cache/curlew. */
const char *conf_cache_dir(const struct conf *);

/* Each option of `serve` with its value and where it came from, for `curlew config`. */
void conf_each(
    const struct conf *, void (*row)(void *ctx, const char *name, const char *value, const char *source), void *ctx);

/* True when SIGHUP can change that option. */
bool conf_reloads(const char *name);

enum conf_change { CONF_SAME, CONF_CHANGED, CONF_NO_MEMORY };

/* Prepares a conf to replace an old one while the server runs. An option that cannot change keeps the value of the old
 * conf, and kept() is called. CONF_CHANGED: another option has changed. */
enum conf_change conf_replaces(struct conf *, const struct conf *old, void (*kept)(const char *called));

#endif
