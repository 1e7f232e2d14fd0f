#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/query.h"
#include "verbs/filter.h"
#include "verbs/listing.h"

#include <stdio.h>
#include <string.h>

/* A pipe gets these columns in this order. The URL stays last; a new column may only be added before it. */
static const struct listing_column columns[] = {
    {"STATE", LISTING_STATE, 13},
    {"STATUS", LISTING_NUMBER, 6},
    {"SIZE", LISTING_BYTES, 10},
    {"AGE", LISTING_SPAN, 9},
    {"HITS", LISTING_NUMBER, 6},
    {"PIN", LISTING_FLAG, 3},
    {"TAG", LISTING_TEXT, 8},
    {"URL", LISTING_TEXT, 0},
};

#define QUERY                                                                                                          \
	"SELECT ruled.state AS state, status, body_bytes, max(unixepoch() - fetched_at, 0) + initial_age_s AS age_s, " \
	"hits, ruled.pinned AS pinned, "                                                                               \
	"ruled.tag AS tag, url " FILTER_FROM

static const struct {
	const char *key, *order;
} orders[] = {
    {"url", "url, vary"},
    {"host", "host, url, vary"},
    {"size", "body_bytes DESC, url"},
    {"age", "fetched_at - initial_age_s, url"},
    {"hits", "hits DESC, url"},
    {"used", "used_at DESC, url"},
};

static const char *find_order(const char *key)
{
	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
		if (strcmp(orders[i].key, key) == 0)
			return orders[i].order;
	return NULL;
}

static int list(const struct conf *conf, const struct filter *s, const char *order)
{
	struct listing t;
	struct buf why, sql;
	buf_init(&why, BUF_LINE);
	buf_init(&sql, BUF_PAGE);
	buf_addf(&sql, QUERY "%s ORDER BY %s", buf_str(&s->where), order);
	listing_begin(
	    &t, stdout, listing_style_for(conf_flag(conf, "json")), columns, sizeof columns / sizeof columns[0]);
	int rc = index_query(conf_cache_dir(conf), buf_str(&sql), s->params, s->param_count, listing_row, &t, &why);
	long rows = listing_end(&t);
	if (rc != 0)
		log_say("ls: %s", buf_str(&why));
	else if (rows == 0 && s->where.len == 0)
		log_say("ls: nothing is stored in %s", conf_cache_dir(conf));
	else if (rows == 0)
		log_say("ls: nothing stored matches%s%s", buf_str(&s->words),
		    strchr(buf_str(&s->words), '*') != NULL ? " (a GLOB matches the whole URL: '*word*')" : "");
	buf_fini(&sql);
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

int verb_ls(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_LS, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct filter s;
	const char *order = find_order(conf_text(conf, "sort"));
	status = VERB_USAGE;
	if (filter_make(&s, conf, "ls") == 0) {
		if (order == NULL)
			log_say("ls: --sort %s: not understood (give url, host, size, age, hits or used)",
			    conf_text(conf, "sort"));
		else
			status = list(conf, &s, order);
	}
	filter_free(&s);
	conf_free(conf);
	return status;
}
