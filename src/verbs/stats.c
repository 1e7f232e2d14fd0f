#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/query.h"
#include "verbs/listing.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *title;
	enum listing_kind kind;
} totals[] = {
    {"entries", LISTING_NUMBER},
    {"bytes", LISTING_BYTES},
    {"hosts", LISTING_NUMBER},
    {"fresh", LISTING_NUMBER},
    {"pinned", LISTING_NUMBER},
    {"hits", LISTING_NUMBER},
    {"saved_bytes", LISTING_BYTES},
    {"refused_urls", LISTING_NUMBER},
    {"rules", LISTING_NUMBER},
    {"trash_files", LISTING_NUMBER},
    {"misses", LISTING_NUMBER},
    {"hit_percent", LISTING_NUMBER},
    {"byte_hit_percent", LISTING_NUMBER},
    {"since", LISTING_TIME},
    {"storing", LISTING_TEXT},
    {"unwritable", LISTING_TEXT},
};

/* Hits, misses and saved bytes all come from the table traffic, so they cover the same time and the percentages fit. */
static const char totals_query[] =
    "SELECT counter.entries, counter.bytes, (SELECT count(DISTINCT host) FROM entry) AS hosts, r.fresh, r.pinned, "
    "t.hits, t.saved_bytes, "
    "(SELECT count(*) FROM refusal) AS refused_urls, (SELECT count(*) FROM rule) AS rules, "
    "(SELECT count(*) FROM trash) AS trash_files, t.misses, t.hit_percent, t.byte_hit_percent, t.since, "
    "coalesce((SELECT value FROM setting WHERE name = 'stopped'), 'yes') AS storing, "
    "(SELECT value FROM setting WHERE name = 'unwritable') AS unwritable "
    "FROM counter, (SELECT coalesce(sum(state = 'fresh'), 0) AS fresh, coalesce(sum(pinned), 0) AS pinned FROM "
    "v_ruled) r, "
    "(SELECT coalesce(sum(hits), 0) AS hits, coalesce(sum(misses), 0) AS misses, coalesce(sum(hit_bytes), 0) AS "
    "saved_bytes, "
    "round(100.0 * sum(hits) / max(sum(hits) + sum(misses), 1), 1) AS hit_percent, "
    "round(100.0 * sum(hit_bytes) / max(sum(hit_bytes) + sum(miss_bytes), 1), 1) AS byte_hit_percent, min(hour) AS "
    "since FROM traffic) t";

static const struct listing_column hosts[] = {{"ENTRIES", LISTING_NUMBER, 9}, {"SIZE", LISTING_BYTES, 10},
    {"HITS", LISTING_NUMBER, 9}, {"SAVED", LISTING_BYTES, 10}, {"HOST", LISTING_TEXT, 0}};

static const char hosts_query[] =
    "SELECT entries, bytes, coalesce(hits, 0) AS hits, coalesce(saved_bytes, 0) AS saved_bytes, e.host AS host "
    "FROM (SELECT host, count(*) AS entries, CAST(total(body_bytes) AS INTEGER) AS bytes FROM entry GROUP BY host "
    "ORDER BY bytes DESC, host LIMIT 10) e "
    "LEFT JOIN (SELECT host, sum(hits) AS hits, sum(hit_bytes) AS saved_bytes FROM traffic GROUP BY host) t ON t.host "
    "= e.host "
    "ORDER BY bytes DESC, e.host";

static int put_totals(void *ctx, const struct index_column *v, size_t count)
{
	enum listing_style style = *(enum listing_style *)ctx;
	for (size_t i = 0; i < count && i < sizeof totals / sizeof totals[0]; i++) {
		struct buf text;
		buf_init(&text, BUF_LINE);
		switch (style) {
		case LISTING_JSON:
			printf("%s\"%s\": ", i == 0 ? "{" : ", ", totals[i].title);
			listing_json(stdout, &v[i]);
			break;
		case LISTING_PEOPLE:
			listing_format(&text, totals[i].kind, v[i].text);
			listing_put_name(stdout, totals[i].title, 18);
			listing_put(stdout, totals[i].kind, buf_str(&text));
			putchar('\n');
			break;
		case LISTING_PLAIN:
			printf("%s\t%s\n", totals[i].title, v[i].text != NULL ? v[i].text : "");
			break;
		}
		buf_fini(&text);
	}
	return 0;
}

/* In a pipe, the line of a host begins with the word host, which no other line does. */
static int put_host(void *ctx, const struct index_column *v, size_t count)
{
	fputs("host\t", stdout);
	return listing_row(ctx, v, count);
}

static int sum_up(const char *dir, bool json)
{
	enum listing_style style = listing_style_for(json);
	struct listing t;
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = index_query(dir, totals_query, NULL, 0, put_totals, &style, &why);
	if (rc == 0) {
		fputs(json ? ", \"by_host\": " : style == LISTING_PEOPLE ? "\n" : "", stdout);
		listing_begin(&t, stdout, style, hosts, sizeof hosts / sizeof hosts[0]);
		rc = index_query(dir, hosts_query, NULL, 0, style == LISTING_PLAIN ? put_host : listing_row, &t, &why);
		listing_end(&t);
		if (json)
			puts("}");
	}
	if (rc != 0)
		log_say("stats: %s", buf_str(&why));
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : VERB_DONE;
}

static const struct listing_column traffic[] = {{"HITS", LISTING_NUMBER, 10}, {"MISSES", LISTING_NUMBER, 10},
    {"HIT %", LISTING_NUMBER, 6}, {"SAVED", LISTING_BYTES, 10}, {"FETCHED", LISTING_BYTES, 10},
    {"BYTE %", LISTING_NUMBER, 6}, {"", LISTING_TEXT, 0}};

#define TRAFFIC                                                                                                        \
	"SELECT sum(hits) AS hits, sum(misses) AS misses, round(100.0 * sum(hits) / max(sum(hits) + sum(misses), 1), " \
	"1) AS hit_percent, "                                                                                          \
	"sum(hit_bytes) AS saved_bytes, sum(miss_bytes) AS fetched_bytes, "                                            \
	"round(100.0 * sum(hit_bytes) / max(sum(hit_bytes) + sum(miss_bytes), 1), 1) AS byte_hit_percent, "

/* The query for hits, misses and saved bytes by host or by hour; NULL: neither. */
static const char *find_traffic(const char *by)
{
	if (strcmp(by, "host") == 0)
		return TRAFFIC "host FROM traffic GROUP BY host ORDER BY saved_bytes DESC, host";
	if (strcmp(by, "hour") == 0)
		return TRAFFIC "strftime('%Y-%m-%d %H:00', hour, 'unixepoch', 'localtime') AS hour FROM traffic GROUP "
			       "BY traffic.hour ORDER BY traffic.hour";
	return NULL;
}

static int show_traffic(const char *dir, const char *query, bool json)
{
	struct listing t;
	struct buf why;
	buf_init(&why, BUF_LINE);
	listing_begin(&t, stdout, listing_style_for(json), traffic, sizeof traffic / sizeof traffic[0]);
	int rc = index_query(dir, query, NULL, 0, listing_row, &t, &why);
	long rows = listing_end(&t);
	if (rc != 0)
		log_say("stats: %s", buf_str(&why));
	else if (rows == 0)
		log_say("stats: no requests yet");
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

int verb_stats(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_STATS, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	const char *by = conf_text(conf, "by"), *query = by != NULL ? find_traffic(by) : NULL;
	if (conf_operands(conf) > 0)
		log_say("stats: %s: not expected (see `curlew stats --help`)", conf_operand(conf, 0));
	else if (by != NULL && query == NULL)
		log_say("stats: --by %s: not understood (give host or hour)", by);
	else if (by != NULL)
		status = show_traffic(conf_cache_dir(conf), query, conf_flag(conf, "json"));
	else
		status = sum_up(conf_cache_dir(conf), conf_flag(conf, "json"));
	conf_free(conf);
	return status;
}
