/*
 * The sources are read in the order default, file, environment, command line. Each overrides those before it.
 */
#include "base/conf.h"

#include "base/conf_flags.h"
#include "base/conf_sources.h"
#include "base/conf_table.h"
#include "base/conf_values.h"
#include "base/log.h"

#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- help --- */

/* The options of `serve` that SIGHUP does not change. */
static void print_fixed(void)
{
	printf("\nSIGHUP reads --config FILE again. Changes of these options take effect at the next start:");
	int column = 80;
	for (size_t i = 0; i < conf_table_rows; i++) {
		const struct conf_row *row = &conf_table[i];
		if (!(row->verbs & CONF_SERVE) || (row->verbs & CONF_RELOADS) || strcmp(row->name, "config") == 0)
			continue;
		if (column + (int)strlen(row->name) > 76)
			column = printf("\n") - 1;
		column += printf("--%s ", row->name);
	}
	putchar('\n');
}

static void print_help(const struct conf_verb_row *verb)
{
	printf("Usage: curlew %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", verb->name, verb->operands[0] != '\0' ? " " : "",
	    verb->operands, verb->about);
	for (size_t i = 0; i < conf_table_rows; i++) {
		const struct conf_row *row = &conf_table[i];
		if (!(row->verbs & (int)verb->verb))
			continue;
		char left[64];
		snprintf(left, sizeof left, "  %c%c%c --%s%s%s", row->letter ? '-' : ' ',
		    row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
		    row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
		printf("%-31s  %s", left, row->help); /* at least two spaces: docs/help.awk splits there */
		if (row->standard != NULL && strcmp(row->standard, "0") != 0)
			printf(" [%s]", row->standard);
		putchar('\n');
	}
	printf("%-31s  %s\n", "      --help", "print this help");
	if (verb->verb == CONF_SERVE)
		print_fixed();
	printf("\nExamples:\n%s", verb->examples);
}

/* --- reading --- */

/* Cron jobs and services may have no $HOME. */
static const char *home_dir(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user = home == NULL || home[0] == '\0' ? getpwuid(getuid()) : NULL;
	return user != NULL ? user->pw_dir : home != NULL && home[0] != '\0' ? home : NULL;
}

static int find_cache_dir(struct conf *c)
{
	const char *dir = conf_text(c, "cache");
	const char *xdg = getenv("XDG_CACHE_HOME"), *home;
	struct buf path;
	buf_init(&path, BUF_LINE);
	if (dir != NULL)
		buf_adds(&path, dir);
	else if (xdg != NULL && xdg[0] == '/')
		buf_addf(&path, "%s/curlew", xdg);
	else if ((home = home_dir()) != NULL)
		buf_addf(&path, "%s/.cache/curlew", home);
	else
		log_say("cache: neither $HOME nor $CURLEW_CACHE is set (give --cache DIR)");
	if (path.len > 0)
		c->cache_dir = buf_take(&path);
	buf_fini(&path);
	return c->cache_dir == NULL ? -1 : 0;
}

static enum conf_flags_result read_all(struct conf *c, int argc, char **argv)
{
	const char *config = NULL;
	enum conf_flags_result parsed = conf_flags_read(c, argc, argv, false, &config);
	if (parsed != CONF_FLAGS_READ)
		return parsed;
	for (size_t i = 0; i < conf_table_rows; i++)
		if (conf_table[i].standard != NULL &&
		    conf_values_set(c, i, conf_table[i].standard, "default", conf_table[i].name) != 0)
			return CONF_FLAGS_WRONG;
	if (conf_sources_file(c, config) != 0 || conf_sources_environment(c) != 0)
		return CONF_FLAGS_WRONG;
	parsed = conf_flags_read(c, argc, argv, true, &config);
	if (parsed == CONF_FLAGS_READ && find_cache_dir(c) != 0)
		return CONF_FLAGS_WRONG;
	return parsed;
}

struct conf *conf_parse(enum conf_verb verb, int argc, char **argv, int *status)
{
	*status = 2;
	struct conf *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->verb = conf_table_verb(verb);
	assert(c->verb != NULL);
	c->argc = argc;
	c->argv = argv;
	enum conf_flags_result parsed = read_all(c, argc, argv);
	if (parsed == CONF_FLAGS_READ)
		return c;
	if (parsed == CONF_FLAGS_HELP)
		print_help(c->verb);
	*status = parsed == CONF_FLAGS_HELP ? 0 : 2;
	conf_free(c);
	return NULL;
}

struct conf *conf_parse_again(const struct conf *c)
{
	int status;
	return conf_parse(c->verb->verb, c->argc, c->argv, &status);
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	conf_values_free(c);
	free(c->file_source);
	free(c->cache_dir);
	free(c);
}

/* --- asking --- */

bool conf_is(const struct conf *c, enum conf_verb verb)
{
	return c->verb->verb == verb;
}

static const struct conf_value *get(const struct conf *c, const char *name, enum conf_type type)
{
	size_t i = conf_table_find(name);
	assert(i < conf_table_rows && (conf_table[i].type == type || type == TEXT));
	return &c->values[i];
}

const char *conf_text(const struct conf *c, const char *name)
{
	const struct conf_value *v = get(c, name, TEXT);
	return v->count > 0 ? v->texts[0] : NULL;
}

int64_t conf_number(const struct conf *c, const char *name)
{
	const struct conf_value *v = get(c, name, TEXT);
	assert(conf_table[conf_table_find(name)].type == BYTES || conf_table[conf_table_find(name)].type == COUNT ||
	       conf_table[conf_table_find(name)].type == SHARE);
	return v->bytes;
}

double conf_percent(const struct conf *c, const char *name)
{
	return get(c, name, SHARE)->seconds;
}

double conf_span(const struct conf *c, const char *name)
{
	return get(c, name, SPAN)->seconds;
}

double conf_seconds(const struct conf *c, const char *name)
{
	return get(c, name, SECONDS)->seconds;
}

int64_t conf_rate(const struct conf *c, const char *name, double *seconds)
{
	const struct conf_value *v = get(c, name, RATE);
	*seconds = v->seconds;
	return v->bytes;
}

bool conf_flag(const struct conf *c, const char *name)
{
	return get(c, name, FLAG)->flag;
}

bool conf_given(const struct conf *c, const char *name)
{
	return get(c, name, TEXT)->count > 0;
}

bool conf_is_set(const struct conf *c, const char *name)
{
	const struct conf_value *v = get(c, name, TEXT);
	return v->count > 0 && strcmp(v->source, "default") != 0;
}

const char *conf_item(const struct conf *c, const char *name, size_t i)
{
	const struct conf_value *v = get(c, name, LIST);
	return i < v->count ? v->texts[i] : NULL;
}

const struct cidr_list *conf_cidrs(const struct conf *c, const char *name)
{
	return &get(c, name, CIDRS)->cidrs;
}

const char *conf_called(const struct conf *c, const char *name, size_t i)
{
	const struct conf_value *v = get(c, name, TEXT);
	return i < v->count ? v->called[i] : name;
}

size_t conf_operands(const struct conf *c)
{
	return c->operand_count;
}

const char *conf_operand(const struct conf *c, size_t i)
{
	return i < c->operand_count ? c->operands[i] : NULL;
}

const char *conf_cache_dir(const struct conf *c)
{
	return c->cache_dir;
}

void conf_each(const struct conf *c, void (*row)(void *, const char *, const char *, const char *), void *ctx)
{
	for (size_t i = 0; i < conf_table_rows; i++) {
		if (!(conf_table[i].verbs & CONF_SERVE) || strcmp(conf_table[i].name, "config") == 0)
			continue;
		const struct conf_value *v = &c->values[i];
		const char *source = v->source != NULL ? v->source : "default";
		if (strcmp(conf_table[i].name, "cache") == 0 && v->count == 0)
			row(ctx, "cache", c->cache_dir, "default");
		else if (conf_table[i].type == FLAG)
			row(ctx, conf_table[i].name, v->flag ? "yes" : "no", source);
		else if (v->count == 0)
			row(ctx, conf_table[i].name, "", source);
		for (size_t k = 0; conf_table[i].type != FLAG && k < v->count; k++)
			row(ctx, conf_table[i].name, v->texts[k], source);
	}
}

/* --- replacing --- */

bool conf_reloads(const char *name)
{
	size_t i = conf_table_find(name);
	return i < conf_table_rows && (conf_table[i].verbs & CONF_RELOADS) != 0;
}

enum conf_change conf_replaces(struct conf *c, const struct conf *old, void (*kept)(const char *))
{
	enum conf_change change = CONF_SAME;
	for (size_t i = 0; i < conf_table_rows; i++) {
		if (conf_values_same(c, old, i))
			continue;
		if (conf_table[i].verbs & CONF_RELOADS) {
			change = CONF_CHANGED;
			continue;
		}
		kept(c->values[i].count > 0 ? c->values[i].called[0] : conf_table[i].name);
		if (conf_values_copy(c, i, old) != 0)
			return CONF_NO_MEMORY;
	}
	if (strcmp(c->cache_dir, old->cache_dir) != 0) {
		char *same = strdup(old->cache_dir);
		if (same == NULL)
			return CONF_NO_MEMORY;
		free(c->cache_dir);
		c->cache_dir = same;
	}
	return change;
}
