/* curlew rule: the table rule without SQL. Columns have the same names and values as in the table. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/units.h"
#include "http/glob.h"
#include "http/key.h"
#include "index/edit.h"
#include "index/query.h"
#include "store/store.h"
#include "verbs/filter.h"
#include "verbs/listing.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct listing_column columns[] = {{"ID", LISTING_NUMBER, 4}, {"PRIO", LISTING_NUMBER, 4},
    {"SAYS", LISTING_TEXT, 48}, {"NOTE", LISTING_TEXT, 20}, {"GLOB", LISTING_TEXT, 0}};

/* The columns of a rule, in the form that `rule add` takes. */
#define SAYS                                                                                                           \
	"trim(iif(fresh_for_s IS NULL, '', ' fresh_for_s=' || fresh_for_s) || iif(store IS NULL, '', ' store=' || "    \
	"store) || "                                                                                                   \
	"iif(stale_ok_s IS NULL, '', ' stale_ok_s=' || stale_ok_s) || iif(offline IS NULL, '', ' offline=' || "        \
	"offline) || "                                                                                                 \
	"iif(deny IS NULL, '', ' deny=' || deny) || iif(ignore_query IS NULL, '', ' ignore_query=' || "                \
	"quote(ignore_query)) || "                                                                                     \
	"iif(follow_redirects IS NULL, '', ' follow_redirects=' || follow_redirects) || "                              \
	"iif(cookies IS NULL, '', ' cookies=' || cookies) || iif(pin IS NULL, '', ' pin=' || pin) || iif(tag IS "      \
	"NULL, '', ' tag=' || tag) || iif(statuses IS NULL, '', ' statuses=' || quote(statuses))) AS says"
#define SHOWN "id, priority, " SAYS ", note, url_glob"

static void listing_start(struct listing *t, const struct conf *conf)
{
	listing_begin(
	    t, stdout, listing_style_for(conf_flag(conf, "json")), columns, sizeof columns / sizeof columns[0]);
}

static int list(const struct conf *conf)
{
	struct listing t;
	struct buf why;
	if (conf_operands(conf) > 1) {
		log_say("rule: ls: %s: not expected (see `curlew rule --help`)", conf_operand(conf, 1));
		return VERB_USAGE;
	}
	buf_init(&why, BUF_LINE);
	listing_start(&t, conf);
	int rc = index_query(conf_cache_dir(conf), "SELECT " SHOWN " FROM rule ORDER BY priority DESC, id", NULL, 0,
	    listing_row, &t, &why);
	long rows = listing_end(&t);
	if (rc != 0)
		log_say("rule: %s", buf_str(&why));
	else if (rows == 0)
		log_say("rule: there are no rules (add one: curlew rule add GLOB COLUMN=VALUE...)");
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

/* --- add --- */

static const struct column {
	const char *name;
	enum { WHOLE, SECONDS, SWITCH, WORDS } kind;
} settable[] = {{"priority", WHOLE}, {"fresh_for_s", SECONDS}, {"store", SWITCH}, {"stale_ok_s", SECONDS},
    {"offline", SWITCH}, {"deny", SWITCH}, {"ignore_query", WORDS}, {"follow_redirects", SWITCH}, {"cookies", SWITCH},
    {"pin", SWITCH}, {"tag", WORDS}, {"note", WORDS}, {"statuses", WORDS}};
enum { SETTABLE = sizeof settable / sizeof settable[0], VALUES = SETTABLE + 1 };

static const struct column *find_column(const char *name, size_t n)
{
	for (size_t i = 0; i < SETTABLE; i++)
		if (strlen(settable[i].name) == n && strncmp(settable[i].name, name, n) == 0)
			return &settable[i];
	return NULL;
}

/* A whole number; seconds: also a time with a unit. The checks of the table decide whether the number is possible. */
static bool read_number(const char *text, bool seconds, int64_t *n)
{
	char *end;
	double span;
	errno = 0;
	*n = strtoll(text, &end, 10);
	if (end != text && *end == '\0' && errno == 0 && !isspace((unsigned char)text[0]))
		return true;
	if (!seconds || units_span(text, &span) != 0)
		return false;
	*n = (int64_t)span;
	return true;
}

/* The value for the column; the caller frees it. NULL: its form is wrong (reported). */
static char *make_value(const struct column *c, const char *text)
{
	static const char *const forms[] = {[WHOLE] = "a whole number: 10",
	    [SECONDS] = "a time: 90s, 45m, 12h, 30d, 2w or 1y",
	    [SWITCH] = "1 or 0, yes or no",
	    [WORDS] = ""};
	char *value = NULL;
	int64_t n = 1;
	if (c->kind == WORDS)
		return strdup(text);
	bool yes = c->kind == SWITCH && strcmp(text, "yes") == 0, no = c->kind == SWITCH && strcmp(text, "no") == 0;
	if (no)
		n = 0;
	if (yes || no || read_number(text, c->kind == SECONDS, &n))
		return asprintf(&value, "%" PRId64, n) < 0 ? NULL : value;
	log_say("rule: %s: '%s' is not understood (give %s)", c->name, text, forms[c->kind]);
	return NULL;
}

static int note_row(void *found, const struct index_column *c, size_t count)
{
	(void)c;
	(void)count;
	*(bool *)found = true;
	return 0;
}

/* A URL pasted from `curlew ls` names itself, whatever brackets it has. */
static bool is_stored(const struct conf *conf, const char *url)
{
	bool found = false;
	struct buf why;
	buf_init(&why, BUF_LINE);
	index_query(conf_cache_dir(conf),
	    "SELECT 1 FROM entry WHERE url = ?1 UNION ALL SELECT 1 FROM part WHERE url = ?1 LIMIT 1", &url, 1, note_row,
	    &found, &why);
	buf_fini(&why);
	return found;
}

/* A glob that matches only the normal URL of this URL; without a scheme it covers http and https. */
static char *quote_url(const char *text)
{
	char *glob = NULL, *url = key_normalise(text, "http");
	char *quoted = url != NULL ? filter_quoted(url) : NULL;
	if (url == NULL)
		log_say(
		    "rule: %s: not a URL that can be stored (give http or https with a host, or a glob with *)", text);
	else if (quoted != NULL && strstr(text, "://") == NULL)
		glob = asprintf(&glob, "http*%s", quoted + strlen("http")) < 0 ? NULL : glob;
	else if (quoted != NULL)
		glob = strdup(quoted);
	free(quoted);
	free(url);
	return glob;
}

/* The value of the column url_glob; the caller frees it. NULL: it can match no URL (reported). A text without * and
 * without a set is a URL, and names only itself. */
static char *make_glob(const struct conf *conf, const char *text)
{
	const char *why;
	if (text[0] == '\0')
		return strdup(text); /* the check of the table has a better message */
	char *key = strchr(text, '*') == NULL ? key_of_url(text, "http") : NULL;
	bool is_url = !glob_is_wild(text) || (key != NULL && is_stored(conf, key));
	free(key);
	if (is_url)
		return quote_url(text);
	char *glob = filter_glob(text, "http*", &why);
	if (glob == NULL)
		log_say("rule: %s: matches no URL: %s", text, why);
	return glob;
}

/* "INSERT ..." of the operands; the caller frees the values. The number of values, or -1 when an operand is wrong
 * (reported). */
static int make_insert(const struct conf *conf, struct buf *sql, char *values[VALUES])
{
	const struct column *given[VALUES] = {NULL};
	int count = 0;
	buf_adds(sql, "INSERT INTO rule (url_glob");
	values[count++] = make_glob(conf, conf_operand(conf, 1));
	for (size_t i = 2; i < conf_operands(conf) && values[count - 1] != NULL; i++) {
		const char *operand = conf_operand(conf, i), *equals = strchr(operand, '=');
		const struct column *c = equals != NULL ? find_column(operand, (size_t)(equals - operand)) : NULL;
		bool again = false;
		for (int k = 1; k < count; k++)
			again = again || given[k] == c;
		if (c == NULL || again) {
			log_say("rule: %s: %s (give COLUMN=VALUE; `curlew rule --help` lists the columns)", operand,
			    c == NULL ? "not understood" : "the column is given twice");
			return -1;
		}
		given[count] = c;
		buf_addf(sql, ", %s", c->name);
		values[count++] = make_value(c, equals + 1);
	}
	if (values[count - 1] == NULL)
		return -1;
	buf_adds(sql, ") VALUES (");
	for (int i = 1; i <= count; i++)
		buf_addf(sql, "%s?%d", i > 1 ? ", " : "", i);
	buf_adds(sql, ") RETURNING " SHOWN);
	return count;
}

/* In a pipe, the rows on standard output say enough. */
static void report_done(const struct conf *conf, const char *done)
{
	if (isatty(STDERR_FILENO))
		log_say("rule: %s%s", conf_flag(conf, "dry-run") ? "would be " : "", done);
}

/* A dry run is the same transaction, rolled back, so the checks of the table apply to it. */
static int change(const struct conf *conf, const char *sql, const char *const *params, size_t count, struct listing *t)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = index_change_rows(
	    conf_cache_dir(conf), sql, params, count, !conf_flag(conf, "dry-run"), listing_row, t, &why);
	if (rc != 0)
		log_say("rule: %s", buf_str(&why));
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : VERB_DONE;
}

static int add(const struct conf *conf)
{
	struct buf sql;
	struct listing t;
	char *values[VALUES] = {NULL};
	if (conf_operands(conf) < 3) {
		log_say("rule: add: a GLOB and a column are needed (curlew rule add GLOB COLUMN=VALUE...)");
		return VERB_USAGE;
	}
	buf_init(&sql, BUF_PAGE);
	int status = VERB_USAGE, count = make_insert(conf, &sql, values);
	if (count > 0) {
		const char *params[VALUES];
		for (int i = 0; i < count; i++)
			params[i] = values[i];
		listing_start(&t, conf);
		status = change(conf, buf_str(&sql), params, (size_t)count, &t);
		listing_end(&t);
		if (status == VERB_DONE)
			report_done(conf, "added");
	}
	for (int i = 0; i < VALUES; i++)
		free(values[i]);
	buf_fini(&sql);
	return status;
}

/* --- rm, test --- */

static bool is_id(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int rm(const struct conf *conf)
{
	struct listing t;
	if (conf_operands(conf) < 2) {
		log_say("rule: rm: an ID is needed (`curlew rule ls` lists them)");
		return VERB_USAGE;
	}
	for (size_t i = 1; i < conf_operands(conf); i++)
		if (!is_id(conf_operand(conf, i))) {
			log_say("rule: %s: not an ID (`curlew rule ls` lists them)", conf_operand(conf, i));
			return VERB_USAGE;
		}
	int status = VERB_DONE;
	listing_start(&t, conf);
	for (size_t i = 1; i < conf_operands(conf) && status != VERB_ERROR; i++) {
		const char *id = conf_operand(conf, i);
		long before = t.rows;
		int done = change(conf, "DELETE FROM rule WHERE id = CAST(?1 AS INTEGER) RETURNING " SHOWN, &id, 1, &t);
		if (done == VERB_DONE && t.rows == before) {
			log_say("rule: %s: no such rule (`curlew rule ls` lists them)", id);
			done = VERB_NOTHING;
		}
		status = done != VERB_DONE ? done : status;
	}
	if (listing_end(&t) > 0)
		report_done(conf, "removed");
	return status;
}

static int keep_glob(void *ctx, const struct index_column *c, size_t count)
{
	*(char **)ctx = count > 0 && c[0].text != NULL ? strdup(c[0].text) : NULL;
	return 1;
}

/* The glob of a rule. NULL: no such rule (reported), or an error, with why. */
static char *find_glob(const struct conf *conf, const char *what, struct buf *why)
{
	char *glob = NULL;
	int rc = index_query(conf_cache_dir(conf), "SELECT url_glob FROM rule WHERE id = CAST(?1 AS INTEGER)", &what, 1,
	    keep_glob, &glob, why);
	if (rc == 0 && glob == NULL)
		log_say("rule: %s: no such rule (`curlew rule ls` lists them)", what);
	return glob;
}

/* Lists the stored URLs that a rule matches, or that a rule with this GLOB would match. */
static int test(const struct conf *conf)
{
	static const struct listing_column urls[] = {
	    {"STATUS", LISTING_NUMBER, 6}, {"SIZE", LISTING_BYTES, 10}, {"URL", LISTING_TEXT, 0}};
	struct listing t;
	struct buf why;
	const char *what = conf_operand(conf, 1);
	if (conf_operands(conf) != 2) {
		log_say("rule: test: one ID or GLOB is needed (`curlew rule ls` lists the IDs)");
		return VERB_USAGE;
	}
	buf_init(&why, BUF_LINE);
	char *glob = is_id(what) ? find_glob(conf, what, &why) : make_glob(conf, what);
	const char *param = glob;
	int rc = -1, status = is_id(what) ? VERB_NOTHING : VERB_USAGE;
	if (glob != NULL) {
		listing_begin(
		    &t, stdout, listing_style_for(conf_flag(conf, "json")), urls, sizeof urls / sizeof urls[0]);
		rc = index_query(conf_cache_dir(conf),
		    "SELECT status, body_bytes, url FROM entry WHERE coalesce(normal_url, url) GLOB ?1 ORDER BY url",
		    &param, 1, listing_row, &t, &why);
		status = listing_end(&t) > 0 ? VERB_DONE : VERB_NOTHING;
	}
	if (why.len > 0) {
		log_say("rule: %s", buf_str(&why));
		status = VERB_ERROR;
	} else if (rc == 0 && status == VERB_NOTHING) {
		log_say("rule: nothing stored matches %s (a GLOB matches the whole URL: '*word*')", glob);
	}
	buf_fini(&why);
	free(glob);
	return status;
}

int verb_rule(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct conf *);
	} actions[] = {{"ls", list}, {"add", add}, {"rm", rm}, {"test", test}};
	int status;
	struct conf *conf = conf_parse(CONF_RULE, argc, argv, &status);
	if (conf == NULL)
		return status;
	const char *what = conf_operands(conf) > 0 ? conf_operand(conf, 0) : "ls";
	status = -1;
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (strcmp(actions[i].name, what) == 0)
			status = actions[i].run(conf);
	if (status < 0) {
		log_say("rule: %s: not understood (give ls, add, rm or test)", what);
		status = VERB_USAGE;
	}
	conf_free(conf);
	return status;
}
