#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/query.h"
#include "verbs/filter.h"
#include "verbs/listing.h"
#include "verbs/url_argument.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The columns of the query. headers, the last, is printed line by line. */
static const struct {
	const char *name;
	enum listing_kind kind;
} columns[] = {
    {"url", LISTING_TEXT},
    {"vary", LISTING_TEXT},
    {"id", LISTING_NUMBER},
    {"status", LISTING_NUMBER},
    {"state", LISTING_STATE},
    {"reason", LISTING_TEXT},
    {"age_s", LISTING_SPAN},
    {"fresh_for_s", LISTING_SPAN},
    {"fetched_at", LISTING_TIME},
    {"fresh_until", LISTING_TIME},
    {"stale_until", LISTING_TIME},
    {"used_at", LISTING_TIME},
    {"hits", LISTING_NUMBER},
    {"body_bytes", LISTING_BYTES},
    {"body_file", LISTING_TEXT},
    {"sha256", LISTING_TEXT},
    {"etag", LISTING_TEXT},
    {"last_modified", LISTING_TEXT},
    {"pinned", LISTING_FLAG},
    {"tag", LISTING_TEXT},
    {"groups", LISTING_TEXT},
    {"note", LISTING_TEXT},
    {"rule_id", LISTING_NUMBER},
    {"dns_ms", LISTING_NUMBER},
    {"connect_ms", LISTING_NUMBER},
    {"ttfb_ms", LISTING_NUMBER},
    {"total_ms", LISTING_NUMBER},
    {"headers", LISTING_TEXT},
};
#define COLUMNS (sizeof columns / sizeof columns[0])

static const char question[] =
    "SELECT url, vary, id, status, "
    "ruled.state AS state, "
    "reason, max(unixepoch() - fetched_at, 0) + initial_age_s AS age_s, ruled.fresh_until - "
    "unixepoch() AS fresh_for_s, fetched_at, "
    "ruled.fresh_until AS fresh_until, ruled.stale_until AS stale_until, used_at, hits, "
    "body_bytes, body_file, lower(hex(sha256)) AS sha256, "
    "etag, last_modified, ruled.pinned AS pinned, ruled.tag AS tag, "
    "(SELECT group_concat(entry_tag.tag, ' ') FROM entry_tag WHERE entry_id = id) AS groups, note, rule_id, dns_ms, "
    "connect_ms, ttfb_ms, total_ms, headers " FILTER_FROM
    " WHERE (url = ?1 OR normal_url = ?1) AND (?2 IS NULL OR id = CAST(?2 AS INTEGER)) "
    "ORDER BY url <> ?3, url, fetched_at - initial_age_s DESC, fetched_at DESC";

struct shown {
	enum listing_style style;
	long rows;
};

static void put_headers(enum listing_style style, const char *headers)
{
	for (const char *line = headers; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		fputs(style == LISTING_PEOPLE ? "    " : "header\t", stdout);
		listing_clean(stdout, line, n);
		putchar('\n');
		line += n + (line[n] == '\n');
	}
}

static void put_value(enum listing_style style, const char *name, enum listing_kind kind, const struct buf *text)
{
	if (style == LISTING_PEOPLE) {
		listing_put_name(stdout, name, 14);
		listing_put(stdout, kind, buf_str(text));
	} else {
		printf("%s\t", name);
		listing_clean(stdout, buf_str(text), text->len);
	}
	putchar('\n');
}

static int put_row(void *ctx, const struct index_column *values, size_t count)
{
	struct shown *s = ctx;
	if (s->style == LISTING_JSON) {
		fputs(s->rows++ > 0 ? ",\n " : "", stdout);
		listing_json_object(stdout, values, count);
		return 0;
	}
	if (s->rows++ > 0)
		putchar('\n');
	for (size_t i = 0; i + 1 < count && i < COLUMNS; i++) {
		struct buf text;
		buf_init(&text, BUF_PAGE);
		if (s->style == LISTING_PEOPLE)
			listing_format(&text, columns[i].kind, values[i].text);
		else if (values[i].text != NULL)
			buf_adds(&text, values[i].text);
		bool shown = s->style == LISTING_PLAIN || (values[i].text != NULL && values[i].text[0] != '\0');
		if (shown)
			put_value(s->style, columns[i].name, columns[i].kind, &text);
		buf_fini(&text);
	}
	if (s->style == LISTING_PEOPLE) {
		listing_put(stdout, LISTING_TITLE, "headers");
		putchar('\n');
	}
	if (count > 0 && values[count - 1].text != NULL)
		put_headers(s->style, values[count - 1].text);
	return 0;
}

static int report_refusal(void *ctx, const struct index_column *v, size_t count)
{
	(void)count;
	*(bool *)ctx = true;
	const char *times = column_text(&v[4]);
	bool once = strcmp(times, "1") == 0;
	log_say("show: %s: not stored: %s (status %s, %s%s%s)", column_text(&v[0]), column_text(&v[1]),
	    column_text(&v[2]), column_text(&v[3]), once ? "" : ", times: ", once ? "" : times);
	return 0;
}

static int report_parts(void *ctx, const struct index_column *v, size_t count)
{
	(void)count;
	*(bool *)ctx = true;
	log_say("show: %s: not stored completely: %s bytes%s in parts (%s; see table part)", column_text(&v[0]),
	    column_text(&v[2]), column_text(&v[3]), column_text(&v[1]));
	return 0;
}

/* Nothing is stored: reports why, if the index knows. */
static int explain_absence(const char *dir, const char *url, struct buf *why)
{
	bool refused = false;
	int rc = index_query(dir,
	    "SELECT url, reason, status, datetime(at, 'unixepoch', 'localtime'), times FROM refusal WHERE url = ?1",
	    &url, 1, report_refusal, &refused, why);
	bool in_parts = false;
	if (rc == 0)
		rc = index_query(dir,
		    "SELECT ?1, count(*), CAST(total(added) AS INTEGER), coalesce(' of ' || max(whole_bytes), '') FROM "
		    "("
		    "SELECT whole_bytes, max(0, first_byte + body_bytes - max(first_byte, coalesce(max(first_byte + "
		    "body_bytes) OVER ("
		    "PARTITION BY vary ORDER BY first_byte, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))) "
		    "AS added " /* overlaps once */
		    "FROM part WHERE url = ?1) HAVING count(*) > 0",
		    &url, 1, report_parts, &in_parts, why);
	if (rc == 0 && !refused && !in_parts)
		log_say("show: %s: not stored", url);
	return rc;
}

/* All variants of all spellings of the URL, or the one with that id. */
static int show(const char *dir, const struct url_argument *argument, const char *id, bool json)
{
	const char *params[] = {argument->normal, id, argument->key};
	struct shown s = {.style = listing_style_for(json)};
	struct buf why;
	buf_init(&why, BUF_LINE);
	if (json)
		putchar('[');
	int rc = index_query(dir, question, params, 3, put_row, &s, &why);
	if (json)
		puts("]");
	if (rc == 0 && s.rows == 0)
		rc = explain_absence(dir, argument->key, &why);
	if (rc != 0)
		log_say("show: %s", buf_str(&why));
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : s.rows == 0 ? VERB_NOTHING : VERB_DONE;
}

int verb_show(int argc, char **argv)
{
	int status;
	char id[24] = "";
	struct conf *conf = conf_parse(CONF_SHOW, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct url_argument argument;
	status = url_argument_begin(&argument, conf, "show");
	if (status == VERB_DONE)
		status = url_argument_url(&argument, conf, "show");
	bool select = status == VERB_DONE && conf_item(conf, "header", 0) != NULL && argument.lookup.rows.count > 0;
	if (select)
		url_argument_choose(&argument);
	if (select && argument.lookup.entry == NULL) {
		log_say(
		    "show: %s: no stored variant matches these -H fields (leave them out to see all)", argument.key);
		status = VERB_NOTHING;
	} else if (status == VERB_DONE) {
		if (select)
			snprintf(id, sizeof id, "%lld", (long long)argument.lookup.entry->id);
		status = show(conf_cache_dir(conf), &argument, select ? id : NULL, conf_flag(conf, "json"));
	}
	url_argument_end(&argument);
	conf_free(conf);
	return status;
}
