/* purge, pin and unpin: one statement for each row that is meant. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/edit.h"
#include "index/query.h"
#include "verbs/filter.h"
#include "verbs/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct deed {
	const char *verb;
	const char *sql;
	const char *done, *would; /* "removed", "would be removed" */
	bool purges;
};

static const struct deed purge = {"purge", "DELETE FROM entry WHERE id = ?1", "removed", "would be removed", true};
static const struct deed soft = {
    "purge", "UPDATE entry SET fresh_until = 0 WHERE id = ?1", "made stale", "would be made stale", false};
static const struct deed pin = {"pin", "UPDATE entry SET pinned = 1 WHERE id = ?1", "pinned", "would be pinned", false};
static const struct deed unpin = {
    "unpin", "UPDATE entry SET pinned = 0 WHERE id = ?1", "unpinned", "would be unpinned", false};

static void show_progress(void *ctx, size_t done, size_t count)
{
	(void)ctx;
	fprintf(stderr, "\r%zu of %zu ", done, count);
	if (done == count)
		fputs("\r\033[K", stderr);
}

/* What is on its way, and parts, are known by the GLOBs and the host alone; age and size of what comes are not. Before
 * rows are selected: what lands earlier is selected then, what lands later is refused, and nothing slips in between
 * (invariant 8). */
static int forbid_landing(const char *dir, const struct filter *s, struct buf *why)
{
	int rc = 0;
	for (size_t i = 0; s->by_url_alone && rc == 0 && (i < s->glob_count || i == 0); i++) {
		const char *params[] = {s->glob_count > 0 ? s->globs[i] : NULL, s->host};
		rc = index_change(dir, "INSERT INTO purge (url_glob, host) VALUES (?1, ?2)", params, 2, NULL, why);
	}
	return rc;
}

struct parts {
	int64_t count, bytes;
};

static int add_parts(void *ctx, const struct index_column *c, size_t count)
{
	struct parts *p = ctx;
	(void)count;
	p->count += column_size(&c[0]);
	p->bytes += column_size(&c[1]);
	return 0;
}

/* Pieces of bodies, of which no row may stand in entry, are found by URL and host alone. */
static int purge_parts(const char *dir, const struct filter *s, bool dry, struct parts *parts, struct buf *why)
{
#define MATCHES                                                                                                        \
	" FROM part WHERE (?1 IS NULL OR coalesce(normal_url, url) GLOB ?1) AND (?2 IS NULL OR url GLOB 'http*://' "   \
	"|| ?2 || '[:/]*')"
	char *host = s->host != NULL ? filter_quoted(s->host) : NULL;
	int rc = s->host != NULL && host == NULL ? -1 : 0;
	for (size_t i = 0; s->by_url_alone && rc == 0 && (i < s->glob_count || i == 0); i++) {
		const char *params[] = {s->glob_count > 0 ? s->globs[i] : NULL, host};
		rc = index_query(dir, "SELECT count(*), CAST(total(body_bytes) AS INTEGER)" MATCHES, params, 2,
		    add_parts, parts, why);
		if (rc == 0 && !dry)
			rc = index_change(dir, "DELETE" MATCHES, params, 2, NULL, why);
	}
	free(host);
	return rc;
#undef MATCHES
}

static void report(const struct deed *deed, bool dry, bool json, int64_t rows, int64_t bytes)
{
	struct buf size;
	char text[32];
	buf_init(&size, BUF_LINE);
	snprintf(text, sizeof text, "%" PRId64, bytes);
	table_humane(&size, TABLE_BYTES, text);
	if (json)
		printf("{\"rows\": %" PRId64 ", \"bytes\": %" PRId64 ", \"dry_run\": %s}\n", rows, bytes,
		    dry ? "true" : "false");
	else if (isatty(STDOUT_FILENO))
		printf("%" PRId64 " %s %s, %s\n", rows, rows == 1 ? "response" : "responses",
		    dry ? deed->would : deed->done, buf_str(&size));
	else
		printf("%s\t%" PRId64 "\t%" PRId64 "\n", dry ? deed->would : deed->done, rows, bytes);
	buf_fini(&size);
}

static int do_it(const struct deed *deed, const struct conf *conf, const struct filter *s)
{
	const char *dir = conf_cache_dir(conf);
	bool dry = conf_flag(conf, "dry-run");
	struct selected rows = {0};
	struct buf why;
	int64_t changed = 0;
	buf_init(&why, BUF_LINE);
	struct parts parts = {0, 0};
	int rc = deed->purges && !dry ? forbid_landing(dir, s, &why) : 0;
	if (rc == 0 && deed->purges)
		rc = purge_parts(dir, s, dry, &parts, &why);
	if (rc == 0)
		rc = filter_ids(s, dir, &rows, &why);
	if (rc == 0 && rows.count > 0 && !dry)
		rc = index_change_each(dir, deed->sql, rows.ids, rows.count,
		    isatty(STDERR_FILENO) && rows.count > 10000 ? show_progress : NULL, NULL, &changed, &why);
	if (rc != 0)
		log_say("%s: %s", deed->verb, buf_str(&why));
	else if (rows.count == 0 && parts.count == 0)
		log_say("%s: nothing stored matches%s%s", deed->verb, buf_str(&s->words),
		    strchr(buf_str(&s->words), '*') != NULL ? " (a glob is matched with the whole URL: '*word*')" : "");
	if (rc == 0 && (conf_flag(conf, "json") || rows.count > 0 || parts.count > 0))
		report(deed, dry, conf_flag(conf, "json"), (dry ? (int64_t)rows.count : changed) + parts.count,
		    rows.bytes + parts.bytes);
	free(rows.ids);
	buf_fini(&why);
	return rc != 0 ? VERB_TROUBLE : rows.count == 0 && parts.count == 0 ? VERB_NOTHING : VERB_DONE;
}

static int run(enum conf_verb verb, const struct deed *deed, int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(verb, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct filter s;
	if (verb == CONF_PURGE && conf_flag(conf, "soft"))
		deed = &soft;
	status = VERB_USAGE;
	if (filter_make(&s, conf, deed->verb) == 0) {
		if (s.where.len == 0)
			log_say("%s: what? (give a URL, a GLOB, or options; '*' means everything)", deed->verb);
		else
			status = do_it(deed, conf, &s);
	}
	filter_free(&s);
	conf_free(conf);
	return status;
}

int verb_purge(int argc, char **argv)
{
	return run(CONF_PURGE, &purge, argc, argv);
}

int verb_pin(int argc, char **argv)
{
	return run(CONF_PIN, &pin, argc, argv);
}

int verb_unpin(int argc, char **argv)
{
	return run(CONF_UNPIN, &unpin, argc, argv);
}
