/* curlew rule: the table rule without SQL. Names and values are those of its columns. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "store/store.h"
#include "verbs/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {"ID", TABLE_NUMBER, 4}, {"PRIO", TABLE_NUMBER, 4}, {"SAYS", TABLE_TEXT, 48}, {"NOTE", TABLE_TEXT, 20}, {"GLOB", TABLE_TEXT, 0}};

/* All that a rule says, in the words it is added with. */
#define SAYS                                                                                                           \
	"trim(iif(fresh_for_s IS NULL, '', ' fresh_for_s=' || fresh_for_s) || iif(store IS NULL, '', ' store=' || store) || "      \
	"iif(stale_ok_s IS NULL, '', ' stale_ok_s=' || stale_ok_s) || iif(offline IS NULL, '', ' offline=' || offline) || "        \
	"iif(deny IS NULL, '', ' deny=' || deny) || iif(ignore_query IS NULL, '', ' ignore_query=' || quote(ignore_query)) || "    \
	"iif(follow_redirects IS NULL, '', ' follow_redirects=' || follow_redirects) || iif(pin IS NULL, '', ' pin=' || pin) || "  \
	"iif(tag IS NULL, '', ' tag=' || tag)) AS says"

static int list(const struct conf *conf)
{
	struct table t;
	struct buf why;
	buf_init(&why, BUF_LINE);
	table_begin(&t, stdout, table_style_for(stdout, conf_flag(conf, "json")), columns, sizeof columns / sizeof columns[0]);
	int rc = store_query(conf_cache_dir(conf), "SELECT id, priority, " SAYS ", note, url_glob FROM rule ORDER BY priority DESC, id", NULL, 0,
	    table_row, &t, &why);
	long rows = table_end(&t);
	if (rc != 0)
		log_say("rule: %s", buf_str(&why));
	else if (rows == 0)
		log_say("rule: there are no rules (curlew rule add GLOB COLUMN=VALUE... adds one)");
	buf_fini(&why);
	return rc != 0 ? VERB_TROUBLE : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

/* A duration with a unit becomes seconds, yes and no become 1 and 0; the rest is left to the checks of the table. */
static char *make_value(const char *name, const char *text)
{
	static const struct {
		const char *unit;
		long seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
	char *end, *value = NULL;
	size_t n = strlen(name);
	long number = strtol(text, &end, 10);
	if (n > 2 && strcmp(name + n - 2, "_s") == 0 && isdigit((unsigned char)text[0]))
		for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
			if (strcmp(end, units[i].unit) == 0)
				return asprintf(&value, "%ld", number * units[i].seconds) < 0 ? NULL : value;
	bool words = strcmp(name, "tag") == 0 || strcmp(name, "note") == 0 || strcmp(name, "ignore_query") == 0;
	if (!words && strcmp(text, "yes") == 0)
		return strdup("1");
	return !words && strcmp(text, "no") == 0 ? strdup("0") : strdup(text);
}

static bool is_column(const char *name, size_t n)
{
	static const char *const names[] = {"priority", "fresh_for_s", "store", "stale_ok_s", "offline", "deny", "ignore_query",
	    "follow_redirects", "pin", "tag", "note"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == n && strncmp(names[i], name, n) == 0)
			return true;
	return false;
}

enum { VALUES = 16 };

/* "INSERT ..." of the operands. The number of values, or -1 when they make no sense (said). */
static int make_insert(const struct conf *conf, struct buf *sql, const char *params[VALUES], char *texts[VALUES])
{
	int count = 0;
	buf_adds(sql, "INSERT INTO rule (url_glob");
	params[count++] = conf_operand(conf, 1);
	for (size_t i = 2; i < conf_operands(conf); i++) {
		const char *operand = conf_operand(conf, i), *equals = strchr(operand, '=');
		size_t n = equals != NULL ? (size_t)(equals - operand) : 0;
		if (n == 0 || !is_column(operand, n) || count == VALUES) {
			log_say("rule: %s: not understood (give COLUMN=VALUE; curlew rule --help names the columns)", operand);
			return -1;
		}
		char name[32];
		snprintf(name, sizeof name, "%.*s", (int)n, operand);
		buf_addf(sql, ", %s", name);
		texts[count] = make_value(name, equals + 1);
		params[count] = texts[count];
		count++;
	}
	buf_adds(sql, ") VALUES (");
	for (int i = 1; i <= count; i++)
		buf_addf(sql, "%s?%d", i > 1 ? ", " : "", i);
	buf_adds(sql, ")");
	return count;
}

static int add(const struct conf *conf)
{
	struct buf sql, why;
	const char *params[VALUES];
	char *texts[VALUES] = {NULL};
	if (conf_operands(conf) < 3) {
		log_say("rule: add what? (curlew rule add GLOB COLUMN=VALUE...)");
		return VERB_USAGE;
	}
	buf_init(&sql, BUF_PAGE);
	buf_init(&why, BUF_LINE);
	int status = VERB_USAGE, count = make_insert(conf, &sql, params, texts);
	if (count > 0 && conf_flag(conf, "dry-run")) {
		printf("%s\n", buf_str(&sql));
		for (int i = 0; i < count; i++)
			printf("?%d = %s\n", i + 1, params[i]);
		status = VERB_DONE;
	} else if (count > 0) {
		status = store_change(conf_cache_dir(conf), buf_str(&sql), params, (size_t)count, NULL, &why) == 0 ? VERB_DONE : VERB_TROUBLE;
	}
	if (why.len > 0)
		log_say("rule: %s", buf_str(&why));
	for (int i = 0; i < VALUES; i++)
		free(texts[i]);
	buf_fini(&why);
	buf_fini(&sql);
	return status;
}

static int rm(const struct conf *conf)
{
	struct buf why;
	int status = conf_operands(conf) > 1 ? VERB_DONE : VERB_USAGE;
	if (status == VERB_USAGE)
		log_say("rule: rm which? (give IDs; curlew rule ls has them)");
	buf_init(&why, BUF_LINE);
	for (size_t i = 1; i < conf_operands(conf) && status == VERB_DONE; i++) {
		int64_t changed = 0;
		const char *id = conf_operand(conf, i);
		if (conf_flag(conf, "dry-run")) {
			printf("DELETE FROM rule WHERE id = %s\n", id);
			continue;
		}
		if (store_change(conf_cache_dir(conf), "DELETE FROM rule WHERE id = CAST(?1 AS INTEGER)", &id, 1, &changed, &why) != 0)
			status = VERB_TROUBLE;
		else if (changed == 0)
			status = VERB_NOTHING;
		if (status == VERB_NOTHING)
			log_say("rule: %s: no such rule (curlew rule ls)", id);
	}
	if (why.len > 0)
		log_say("rule: %s", buf_str(&why));
	buf_fini(&why);
	return status;
}

/* Which stored URLs a rule, or one with such a glob, would touch. */
static int test(const struct conf *conf)
{
	static const struct table_column urls[] = {{"STATUS", TABLE_NUMBER, 6}, {"SIZE", TABLE_BYTES, 10}, {"URL", TABLE_TEXT, 0}};
	struct table t;
	struct buf why;
	const char *what = conf_operand(conf, 1);
	if (conf_operands(conf) != 2) {
		log_say("rule: test what? (give the ID of a rule, or a GLOB)");
		return VERB_USAGE;
	}
	bool id = what[0] != '\0' && what[strspn(what, "0123456789")] == '\0';
	buf_init(&why, BUF_LINE);
	table_begin(&t, stdout, table_style_for(stdout, conf_flag(conf, "json")), urls, sizeof urls / sizeof urls[0]);
	int rc = store_query(conf_cache_dir(conf),
	    id ? "SELECT status, body_bytes, url FROM entry WHERE url GLOB (SELECT url_glob FROM rule WHERE id = CAST(?1 AS INTEGER)) ORDER BY url"
	       : "SELECT status, body_bytes, url FROM entry WHERE url GLOB ?1 ORDER BY url", &what, 1, table_row, &t, &why);
	long rows = table_end(&t);
	if (rc != 0)
		log_say("rule: %s", buf_str(&why));
	else if (rows == 0)
		log_say("rule: nothing stored matches %s (a glob is matched with the whole URL: '*word*')", what);
	buf_fini(&why);
	return rc != 0 ? VERB_TROUBLE : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

int verb_rule(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct conf *);
	} deeds[] = {{"ls", list}, {"add", add}, {"rm", rm}, {"test", test}};
	int status;
	struct conf *conf = conf_parse(CONF_RULE, argc, argv, &status);
	if (conf == NULL)
		return status;
	const char *what = conf_operands(conf) > 0 ? conf_operand(conf, 0) : "ls";
	status = -1;
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
		if (strcmp(deeds[i].name, what) == 0)
			status = deeds[i].run(conf);
	if (status < 0) {
		log_say("rule: %s: not understood (ls, add, rm or test)", what);
		status = VERB_USAGE;
	}
	conf_free(conf);
	return status;
}
