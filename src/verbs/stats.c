#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/query.h"
#include "verbs/tables.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *title;
	enum table_kind kind;
} totals[] = {
    {"entries", TABLE_NUMBER},
    {"bytes", TABLE_BYTES},
    {"hosts", TABLE_NUMBER},
    {"fresh", TABLE_NUMBER},
    {"pinned", TABLE_NUMBER},
    {"hits", TABLE_NUMBER},
    {"saved_bytes", TABLE_BYTES},
    {"refused_urls", TABLE_NUMBER},
    {"rules", TABLE_NUMBER},
    {"trash_files", TABLE_NUMBER},
    {"misses", TABLE_NUMBER},
    {"hit_percent", TABLE_NUMBER},
    {"byte_hit_percent", TABLE_NUMBER},
    {"since", TABLE_TIME},
    {"storing", TABLE_TEXT},
    {"unwritable", TABLE_TEXT},
};

/* Hits, misses and what they saved are those of the same time, that of the table traffic, so that the shares fit them.
 */
static const char totals_question[] =
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

static const struct table_column hosts[] = {{"ENTRIES", TABLE_NUMBER, 9}, {"SIZE", TABLE_BYTES, 10},
    {"HITS", TABLE_NUMBER, 9}, {"SAVED", TABLE_BYTES, 10}, {"HOST", TABLE_TEXT, 0}};

static const char hosts_question[] =
    "SELECT entries, bytes, coalesce(hits, 0) AS hits, coalesce(saved_bytes, 0) AS saved_bytes, e.host AS host "
    "FROM (SELECT host, count(*) AS entries, CAST(total(body_bytes) AS INTEGER) AS bytes FROM entry GROUP BY host "
    "ORDER BY bytes DESC, host LIMIT 10) e "
    "LEFT JOIN (SELECT host, sum(hits) AS hits, sum(hit_bytes) AS saved_bytes FROM traffic GROUP BY host) t ON t.host "
    "= e.host "
    "ORDER BY bytes DESC, e.host";

static int put_totals(void *ctx, const struct index_column *v, size_t count)
{
	enum table_style style = *(enum table_style *)ctx;
	for (size_t i = 0; i < count && i < sizeof totals / sizeof totals[0]; i++) {
		struct buf text;
		buf_init(&text, BUF_LINE);
		switch (style) {
		case TABLE_JSON:
			printf("%s\"%s\": ", i == 0 ? "{" : ", ", totals[i].title);
			table_json(stdout, &v[i]);
			break;
		case TABLE_PEOPLE:
			table_humane(&text, totals[i].kind, v[i].text);
			table_put_name(stdout, totals[i].title, 18);
			table_put(stdout, totals[i].kind, buf_str(&text));
			putchar('\n');
			break;
		case TABLE_PLAIN:
			printf("%s\t%s\n", totals[i].title, v[i].text != NULL ? v[i].text : "");
			break;
		}
		buf_fini(&text);
	}
	return 0;
}

/* In a pipe each host is a line that begins with the word host, so that all lines can be told apart. */
static int put_host(void *ctx, const struct index_column *v, size_t count)
{
	fputs("host\t", stdout);
	return table_row(ctx, v, count);
}

static int sum_up(const char *dir, bool json)
{
	enum table_style style = table_style_for(json);
	struct table t;
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = index_query(dir, totals_question, NULL, 0, put_totals, &style, &why);
	if (rc == 0) {
		fputs(json ? ", \"by_host\": " : style == TABLE_PEOPLE ? "\n" : "", stdout);
		table_begin(&t, stdout, style, hosts, sizeof hosts / sizeof hosts[0]);
		rc = index_query(dir, hosts_question, NULL, 0, style == TABLE_PLAIN ? put_host : table_row, &t, &why);
		table_end(&t);
		if (json)
			puts("}");
	}
	if (rc != 0)
		log_say("stats: %s", buf_str(&why));
	buf_fini(&why);
	return rc != 0 ? VERB_TROUBLE : VERB_DONE;
}

static const struct table_column traffic[] = {{"HITS", TABLE_NUMBER, 10}, {"MISSES", TABLE_NUMBER, 10},
    {"HIT %", TABLE_NUMBER, 6}, {"SAVED", TABLE_BYTES, 10}, {"FETCHED", TABLE_BYTES, 10}, {"BYTE %", TABLE_NUMBER, 6},
    {"", TABLE_TEXT, 0}};

#define TRAFFIC                                                                                                        \
	"SELECT sum(hits) AS hits, sum(misses) AS misses, round(100.0 * sum(hits) / max(sum(hits) + sum(misses), 1), " \
	"1) AS hit_percent, "                                                                                          \
	"sum(hit_bytes) AS saved_bytes, sum(miss_bytes) AS fetched_bytes, "                                            \
	"round(100.0 * sum(hit_bytes) / max(sum(hit_bytes) + sum(miss_bytes), 1), 1) AS byte_hit_percent, "

/* What was hit, missed and saved, by host or by hour; NULL: by is neither. */
static const char *find_traffic(const char *by)
{
	if (strcmp(by, "host") == 0)
		return TRAFFIC "host FROM traffic GROUP BY host ORDER BY saved_bytes DESC, host";
	if (strcmp(by, "hour") == 0)
		return TRAFFIC "strftime('%Y-%m-%d %H:00', hour, 'unixepoch', 'localtime') AS hour FROM traffic GROUP "
			       "BY traffic.hour ORDER BY traffic.hour";
	return NULL;
}

static int show_traffic(const char *dir, const char *question, bool json)
{
	struct table t;
	struct buf why;
	buf_init(&why, BUF_LINE);
	table_begin(&t, stdout, table_style_for(json), traffic, sizeof traffic / sizeof traffic[0]);
	int rc = index_query(dir, question, NULL, 0, table_row, &t, &why);
	long rows = table_end(&t);
	if (rc != 0)
		log_say("stats: %s", buf_str(&why));
	else if (rows == 0)
		log_say("stats: nothing was asked for yet");
	buf_fini(&why);
	return rc != 0 ? VERB_TROUBLE : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

int verb_stats(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_STATS, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	const char *by = conf_text(conf, "by"), *question = by != NULL ? find_traffic(by) : NULL;
	if (conf_operands(conf) > 0)
		log_say("stats: %s: no operands are wanted", conf_operand(conf, 0));
	else if (by != NULL && question == NULL)
		log_say("stats: --by %s: not understood (give host or hour)", by);
	else if (by != NULL)
		status = show_traffic(conf_cache_dir(conf), question, conf_flag(conf, "json"));
	else
		status = sum_up(conf_cache_dir(conf), conf_flag(conf, "json"));
	conf_free(conf);
	return status;
}
