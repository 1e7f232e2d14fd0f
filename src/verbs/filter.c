#include "verbs/filter.h"

#include "base/log.h"
#include "http/glob.h"
#include "http/key.h"
#include "http/rule.h"
#include "http/url.h"
#include "index/purging.h"
#include "index/query.h"
#include "store/inspect.h"
#include "verbs/listing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Takes text as a parameter. Returns its number; 0: too many, or out of memory. */
static size_t add_param(struct filter *s, char *text)
{
	if (text == NULL || s->param_count == FILTER_PARAMS) {
		free(text);
		return 0;
	}
	s->texts[s->text_count++] = text;
	s->params[s->param_count++] = text;
	return s->param_count;
}

static void add_condition(struct filter *s, const char *condition)
{
	buf_adds(&s->where, s->where.len == 0 ? " WHERE " : " AND ");
	buf_adds(&s->where, condition);
}

char *filter_glob(const char *typed, const char *scheme, const char **why)
{
	struct buf glob;
	buf_init(&glob, BUF_HEAD);
	*why = "out of memory";
	char *text = glob_read(typed, scheme, &glob, why) == 0 ? buf_take(&glob) : NULL;
	buf_fini(&glob);
	return text;
}

char *filter_quoted(const char *url)
{
	struct buf glob;
	buf_init(&glob, BUF_PAGE);
	glob_quote(span_of(url), &glob);
	char *text = glob.failed ? NULL : buf_take(&glob);
	buf_fini(&glob);
	return text;
}

/* Takes a URL or glob and adds it to those of which one must match. */
static int add_url(struct filter *s, struct buf *any, char *url, bool wild)
{
	char *glob = url == NULL ? NULL : wild ? strdup(url) : filter_quoted(url);
	size_t n = add_param(s, url);
	if (glob != NULL && n > 0)
		s->globs[s->glob_count++] = glob;
	else
		free(glob);
	/* Written so that SQLite can use an index for both halves. */
	if (n > 0)
		buf_addf(any,
		    wild ? "%surl GLOB ?%zu AND normal_url IS NULL OR normal_url GLOB ?%zu"
			 : "%surl = ?%zu OR normal_url = ?%zu",
		    any->len == 0 ? "(" : " OR ", n, n);
	return glob != NULL && n > 0 ? 0 : -1;
}

/* The normal URL of the key of this URL: a rule may leave parameters out. Takes url. */
static char *key_of(const char *dir, char *url)
{
	struct inspect g;
	struct buf why;
	int64_t rule;
	char *key = NULL;
	buf_init(&why, BUF_LINE);
	if (inspect_open(&g, dir, &why) == 0) /* if there is no cache, the next query reports it */
		key = rules_key(g.rules, url, &rule);
	inspect_close(&g);
	buf_fini(&why);
	if (key != NULL) {
		free(url);
		url = key;
	}
	char *normal = key_normalise(url, "http");
	free(url);
	return normal;
}

static int too_many(const char *verb)
{
	log_say("%s: too many GLOBs (%d at most, half of that without a scheme)", verb, FILTER_PARAMS);
	return -1;
}

/* Without a scheme it becomes two globs, each with a fixed beginning, so that SQLite can use an index. */
static int add_glob(struct filter *s, struct buf *any, const char *operand, const char *verb)
{
	static const char *const schemes[] = {"http", "https"};
	const char *why;
	for (size_t i = 0; i < (glob_has_scheme(operand) ? 1 : sizeof schemes / sizeof schemes[0]); i++) {
		char *glob = filter_glob(operand, schemes[i], &why);
		if (glob == NULL) {
			log_say("%s: %s: matches no URL: %s", verb, operand, why);
			return -1;
		}
		if (add_url(s, any, glob, true) != 0)
			return too_many(verb);
	}
	/* A stored URL matches itself, however its brackets are read. */
	if (strchr(operand, '[') != NULL) {
		size_t n = add_param(s, strdup(operand));
		if (n == 0)
			return too_many(verb);
		buf_addf(any, " OR url = ?%zu", n);
	}
	return 0;
}

static int add_operand(struct filter *s, struct buf *any, const char *operand, const char *dir, const char *verb)
{
	bool wild = strchr(operand, '*') != NULL;
	char *url = wild ? NULL : key_of_url(operand, "http");
	if (!wild && url == NULL) {
		log_say("%s: %s: not a URL that can be stored (give http or https with a host, or a glob with *)", verb,
		    operand);
		return -1;
	}
	if (!wild)
		url = key_of(dir, url);
	if (!wild && url == NULL)
		return -1;
	buf_addf(&s->words, " %s", wild ? operand : url);
	if (wild)
		return add_glob(s, any, operand, verb);
	return add_url(s, any, url, false) == 0 ? 0 : too_many(verb);
}

static int add_urls(struct filter *s, const struct conf *conf, const char *verb)
{
	struct buf any;
	buf_init(&any, BUF_PAGE);
	int rc = 0;
	for (size_t i = 0; i < conf_operands(conf) && rc == 0; i++)
		rc = add_operand(s, &any, conf_operand(conf, i), conf_cache_dir(conf), verb);
	if (rc == 0 && any.len > 0) {
		buf_addc(&any, ')');
		add_condition(s, buf_str(&any));
	}
	buf_fini(&any);
	return rc;
}

static int add_host(struct filter *s, const struct conf *conf)
{
	char condition[32];
	const char *value = conf_text(conf, "host");
	if (value == NULL)
		return 0;
	char *text = url_host(span_of(value));
	if (text == NULL) {
		log_say("--host %s: not the name of a host (give it without scheme and port; an IPv6 address in "
			"brackets)",
		    value);
		return -1;
	}
	size_t n = add_param(s, text);
	if (n == 0) {
		log_say("--host: too many conditions (give fewer GLOBs)");
		return -1;
	}
	s->host = text;
	snprintf(condition, sizeof condition, "host = ?%zu", n);
	add_condition(s, condition);
	buf_addf(&s->words, " --host %s", value);
	return 0;
}

/* A tag of the user, of a rule, or a group that the response names. */
static int add_tag(struct filter *s)
{
	char condition[256];
	size_t n = add_param(s, strdup(s->tag));
	if (n == 0) {
		log_say("--tag: too many conditions (give fewer GLOBs)");
		return -1;
	}
	snprintf(condition, sizeof condition, PURGING_HAS_TAG, n, n);
	add_condition(s, condition);
	buf_addf(&s->words, " --tag %s", s->tag);
	return 0;
}

static void add_age(struct filter *s, const struct conf *conf, const char *option, const char *column)
{
	char condition[64];
	if (!conf_given(conf, option))
		return;
	snprintf(condition, sizeof condition, "%s < unixepoch() - %.0f", column, conf_span(conf, option));
	add_condition(s, condition);
	buf_addf(&s->words, " --%s %s", option, conf_text(conf, option));
	s->by_url_alone = false;
}

/* A purge by age, size or state leaves pinned rows. Only a purge by URL, host or tag alone removes them. */
static void spare_pinned(struct filter *s, const struct conf *conf)
{
	bool by_age_or_size = conf_given(conf, "older-than") || conf_given(conf, "unused-for") ||
			      conf_given(conf, "larger-than") || conf_flag(conf, "stale");
	if (conf_is(conf, CONF_PURGE) && by_age_or_size && !conf_flag(conf, "soft"))
		add_condition(s, "ruled.pinned = 0");
}

int filter_make(struct filter *s, const struct conf *conf, const char *verb)
{
	*s = (struct filter){.by_url_alone = true};
	buf_init(&s->where, BUF_PAGE);
	buf_init(&s->words, BUF_PAGE);
	if (add_urls(s, conf, verb) != 0 || add_host(s, conf) != 0)
		return -1;
	s->tag = conf_text(conf, "tag");
	if (s->tag != NULL && add_tag(s) != 0)
		return -1;
	add_age(s, conf, "older-than", "fetched_at");
	add_age(s, conf, "unused-for", "used_at");
	if (conf_given(conf, "larger-than")) {
		char condition[64];
		snprintf(condition, sizeof condition, "body_bytes > %" PRId64, conf_number(conf, "larger-than"));
		add_condition(s, condition);
		buf_addf(&s->words, " --larger-than %s", conf_text(conf, "larger-than"));
		s->by_url_alone = false;
	}
	if (conf_flag(conf, "stale")) {
		add_condition(s, "ruled.state <> 'fresh'");
		buf_adds(&s->words, " --stale");
		s->by_url_alone = false;
	}
	spare_pinned(s, conf);
	if (!s->where.failed)
		return 0;
	log_say("%s: too many conditions (give fewer GLOBs)", verb);
	return -1;
}

void filter_free(struct filter *s)
{
	for (size_t i = 0; i < s->text_count; i++)
		free(s->texts[i]);
	for (size_t i = 0; i < s->glob_count; i++)
		free(s->globs[i]);
	buf_fini(&s->where);
	buf_fini(&s->words);
}

static int keep_id(void *ctx, const struct index_column *c, size_t count)
{
	struct selected *s = ctx;
	if (s->count == s->room) {
		size_t room = s->room == 0 ? 1024 : 2 * s->room;
		int64_t *more = realloc(s->ids, room * sizeof *more);
		if (more == NULL)
			return -1;
		s->ids = more;
		s->room = room;
	}
	s->ids[s->count++] = strtoll(column_text(&c[0]), NULL, 10);
	s->bytes += count > 1 ? column_size(&c[1]) : 0;
	return 0;
}

int filter_ids(const struct filter *s, const char *dir, struct selected *out, struct buf *why)
{
	struct buf sql;
	buf_init(&sql, BUF_PAGE);
	*out = (struct selected){0};
	buf_addf(&sql, "SELECT id, body_bytes " FILTER_FROM "%s ORDER BY id", buf_str(&s->where));
	int rc = index_query(dir, buf_str(&sql), s->params, s->param_count, keep_id, out, why);
	buf_fini(&sql);
	return rc;
}
